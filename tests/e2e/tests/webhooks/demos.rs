//! The demos of SGX. Intel's programs have stand-ins: these try the scripts, the manifests, and that what the webhook adds fits
//! together.

use e2e::{Demo, DemoImage, STOOD_IN, run_demos};

use crate::world::World;

const DEMOS: [Demo; 3] = [
    (
        "deployments/sgx_enclave_apps",
        STOOD_IN,
        &["/dev/sgx_enclave", "stand-in in /opt/intel/sgx-sample-app", "sgx-sample-app succeeded"],
    ),
    (
        "deployments/sgx_enclave_apps/overlays/sgx_ecdsa_aesmd_quote",
        STOOD_IN,
        &["/dev/sgx_enclave", "SGX_AESM_ADDR=1", "a quote by aesmd", "sgx-quote-generation succeeded"],
    ),
    (
        "deployments/sgx_enclave_apps/overlays/sgx_ecdsa_inproc_quote",
        STOOD_IN,
        &[
            "/dev/sgx_enclave",
            "/dev/sgx_provision",
            "a quote of its own by https://localhost:8081",
            "verifier verifies a quote by the generator",
            "the quote is verified",
        ],
    ),
];

/// Runs them, on a node with the plugin, the webhook and memory for enclaves.
pub(crate) fn run(world: &World) {
    let quotes = "if [ -e /var/run/aesmd/aesm.socket ]; then echo a quote by aesmd; else
        sed -n 's/.*pccs_url\": \"/a quote of its own by /p' /etc/sgx_default_qcnl.conf
        sed -n '$s/^/a quote by the /p' enclave.signed.so >quote.dat
    fi";
    let verifies = "echo \"$(sed -n '$p' enclave.signed.so) verifies $(sed '' $2)\"";
    let programs = [
        ("/opt/intel/sgx-sample-app/sgx-sample-app", "echo stand-in in $PWD"),
        ("/opt/intel/sgx-quote-generation/sgx-quote-generation", quotes),
        ("/opt/intel/sgx-quote-generation/enclave.signed.so", "generator"),
        ("/opt/intel/sgx-quote-verification/sgx-quote-verification", verifies),
        ("/opt/intel/sgx-quote-verification/enclave.signed.so", "verifier"),
    ];
    world.cluster.load(&DemoImage::of_stand_ins("sgx-sdk-demo", &programs));
    let service = "echo stand-in; : >/var/run/aesmd/aesm.socket; trap 'exit 0' TERM; sleep 1000000 & wait";
    let service = [("/opt/intel/sgx-aesm-service/aesm/aesm_service", service)];
    world.cluster.load(&DemoImage::of_stand_ins("sgx-aesmd-demo", &service));

    world.cluster.kubectl(&["apply", "-k", "deployments/sgx_aesmd"]);
    world.kubernetes.wait_for_daemonset("intel-sgx-aesmd", || world.state());
    run_demos(&world.cluster, &world.kubernetes, &DEMOS, || world.state());
    world.cluster.kubectl(&["delete", "-k", "deployments/sgx_aesmd", "--timeout=60s"]);
}
