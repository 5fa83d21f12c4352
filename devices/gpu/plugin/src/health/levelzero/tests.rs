use std::sync::{Arc, Mutex};

use simulator::kubelet::PodRequest;
use simulator::{Profile, SimulatedNode};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

use super::api::levelzero_server::{Levelzero, LevelzeroServer};
use super::*;
use crate::health::tests::{Running, told};

const LIMITS: Limits = Limits { global: 80, gpu: 90, memory: 95, hysteresis: 5 };
const CARD: PciAddress = PciAddress { domain: 0, bus: 0, device: 2, function: 0 };

/// What the sidecar answers about every GPU.
#[derive(Clone)]
struct Answers {
    health: Result<api::DeviceHealth, Status>,
    temperature: Result<api::DeviceTemperature, Status>,
    indices: Result<api::DeviceIndices, Status>,
    hangs: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            health: Ok(api::DeviceHealth { memory_ok: true, bus_ok: true, soc_ok: true, error: None }),
            temperature: Ok(api::DeviceTemperature { global: 50.0, gpu: 50.0, memory: 50.0, error: None }),
            indices: Ok(api::DeviceIndices { indices: vec![2, 0], error: None }),
            hangs: false,
        }
    }
}

#[derive(Clone, Default)]
struct Sidecar {
    answers: Arc<Mutex<Answers>>,
    /// How often it was.
    asked: watch::Sender<usize>,
}

impl Sidecar {
    async fn answer<T>(&self, answer: impl Fn(&Answers) -> Result<T, Status>) -> tonic::Result<Response<T>> {
        self.asked.send_modify(|asked| *asked += 1);
        let answers = self.answers.lock().unwrap().clone();
        if answers.hangs {
            std::future::pending::<()>().await;
        }
        answer(&answers).map(Response::new)
    }
}

#[tonic::async_trait]
impl Levelzero for Sidecar {
    async fn get_device_health(
        &self,
        _: Request<api::DeviceId>,
    ) -> tonic::Result<Response<api::DeviceHealth>> {
        self.answer(|answers| answers.health.clone()).await
    }

    async fn get_device_temperature(
        &self,
        _: Request<api::DeviceId>,
    ) -> tonic::Result<Response<api::DeviceTemperature>> {
        self.answer(|answers| answers.temperature.clone()).await
    }

    async fn get_intel_indices(
        &self,
        _: Request<api::GetIntelIndicesMessage>,
    ) -> tonic::Result<Response<api::DeviceIndices>> {
        self.answer(|answers| answers.indices.clone()).await
    }

    async fn get_device_memory_amount(
        &self,
        _: Request<api::DeviceId>,
    ) -> tonic::Result<Response<api::DeviceMemoryAmount>> {
        Err(Status::unimplemented("not asked for"))
    }
}

/// A node with one GPU and a sidecar.
struct Scene {
    folder: tempfile::TempDir,
    node: SimulatedNode,
    sidecar: Sidecar,
    server: Option<JoinHandle<()>>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::builtin("arc-b580-igpu").unwrap();
        let node = SimulatedNode::create(folder.path().join("node"), &profile).unwrap();
        Self { folder, node, sidecar: Sidecar::default(), server: None }
    }

    fn serve(&mut self) {
        let socket = self.node.host().outside(SOCKET);
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        if socket.exists() {
            std::fs::remove_file(&socket).unwrap();
        }
        let incoming = UnixListenerStream::new(UnixListener::bind(socket).unwrap());
        let service = LevelzeroServer::new(self.sidecar.clone());
        self.server = Some(tokio::spawn(async move {
            tonic::transport::Server::builder().serve_with_incoming(service, incoming).await.unwrap();
        }));
    }

    fn gpus(&self) -> Gpus {
        Gpus::new(client(&self.node.host()), LIMITS)
    }

    async fn ask(&self) -> Result<Verdict, String> {
        ask(&mut self.gpus()).await
    }

    fn change(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.sidecar.answers.lock().unwrap());
    }
}

async fn ask(gpus: &mut Gpus) -> Result<Verdict, String> {
    gpus.ask_all(&[CARD]).await.map(|()| gpus.verdicts()[&CARD].clone())
}

fn reason(verdict: Result<Verdict, String>) -> String {
    match verdict.unwrap() {
        Verdict::Healthy => panic!("healthy"),
        Verdict::Unhealthy(trouble) => trouble.reason,
    }
}

#[tokio::test]
async fn a_cool_gpu_with_all_parts_good_is_healthy() {
    let mut scene = Scene::new();
    scene.serve();
    assert_eq!(scene.ask().await, Ok(Verdict::Healthy));
    // At the limit, in whole degrees, is not above it.
    scene.change(|answers| answers.temperature.as_mut().unwrap().gpu = 90.9);
    assert_eq!(scene.ask().await, Ok(Verdict::Healthy));
    // The sidecar's value for a sensor that it can't read.
    scene.change(|answers| answers.temperature.as_mut().unwrap().gpu = -999.0);
    assert_eq!(scene.ask().await, Ok(Verdict::Healthy));
}

#[tokio::test]
async fn the_reason_names_the_bad_parts() {
    let mut scene = Scene::new();
    scene.serve();
    scene.change(|answers| {
        let health = answers.health.as_mut().unwrap();
        (health.memory_ok, health.bus_ok) = (false, false);
        health.error =
            Some(api::Error { errorcode: 0x7000_0001, description: "device lost (0x70000001)".to_owned() });
    });
    assert_eq!(
        reason(scene.ask().await),
        "Level Zero reports bad memory and PCI bus (device lost (0x70000001))"
    );
    scene.change(|answers| answers.health = Ok(api::DeviceHealth::default()));
    assert_eq!(reason(scene.ask().await), "Level Zero reports bad memory and PCI bus and SoC");
}

#[tokio::test]
async fn each_sensor_has_its_own_limit() {
    type Set = fn(&mut api::DeviceTemperature);
    let mut scene = Scene::new();
    scene.serve();
    let cases: [(Set, &str); 3] = [
        (
            |t| t.gpu = 91.5,
            "GPU temperature 91 °C is above the limit of 90 °C (-gpu-temp-limit); well again at 85 °C",
        ),
        (
            |t| t.global = 81.0,
            "device temperature 81 °C is above the limit of 80 °C (-temp-limit); well again at 75 °C",
        ),
        (
            |t| t.memory = 96.0,
            "memory temperature 96 °C is above the limit of 95 °C (-memory-temp-limit); well again at 90 °C",
        ),
    ];
    for (set, expected) in cases {
        scene.change(|answers| {
            *answers = Answers::default();
            set(answers.temperature.as_mut().unwrap());
        });
        assert_eq!(reason(scene.ask().await), expected);
    }
}

#[tokio::test]
async fn an_error_in_the_answer_is_not_more_than_what_is_said_beside_it() {
    let mut scene = Scene::new();
    scene.serve();
    let error = api::Error { errorcode: 0x7800_0003, description: "unsupported feature".to_owned() };
    scene.change(|answers| {
        answers.health.as_mut().unwrap().error = Some(error.clone());
        answers.temperature.as_mut().unwrap().error = Some(error);
    });
    assert_eq!(scene.ask().await, Ok(Verdict::Healthy));
    scene.change(|answers| answers.temperature.as_mut().unwrap().gpu = 91.0);
    assert!(reason(scene.ask().await).contains("91 °C"));
}

#[tokio::test]
async fn a_hot_gpu_whose_sensor_cannot_be_read_any_more_is_still_hot() {
    let mut scene = Scene::new();
    scene.serve();
    let mut gpus = scene.gpus();
    scene.change(|answers| answers.temperature.as_mut().unwrap().gpu = 91.0);
    assert_ne!(ask(&mut gpus).await, Ok(Verdict::Healthy));
    // As the sidecar says it.
    scene.change(|answers| {
        let error = Some(api::Error { errorcode: 0x7001_0001, description: "not available".to_owned() });
        let temperature = answers.temperature.as_mut().unwrap();
        (temperature.gpu, temperature.error) = (-999.0, error);
    });
    assert_ne!(ask(&mut gpus).await, Ok(Verdict::Healthy));
    scene.change(|answers| answers.temperature.as_mut().unwrap().gpu = 86.0);
    assert_ne!(ask(&mut gpus).await, Ok(Verdict::Healthy), "five degrees below the limit is cool");
    scene.change(|answers| answers.temperature.as_mut().unwrap().gpu = 85.0);
    assert_eq!(ask(&mut gpus).await, Ok(Verdict::Healthy));
}

#[tokio::test]
async fn a_sidecar_that_fails_leaves_the_last_verdict() {
    type Fail = fn(&mut Answers);
    let mut scene = Scene::new();
    let mut gpus = scene.gpus();
    let missing = "0000:00:02.0: No such file or directory (os error 2)".to_owned();
    assert_eq!(ask(&mut gpus).await, Err(missing));
    assert!(gpus.verdicts().is_empty(), "it never answered");
    scene.serve();
    scene.change(|answers| answers.temperature.as_mut().unwrap().gpu = 91.0);
    assert_ne!(ask(&mut gpus).await, Ok(Verdict::Healthy));
    let hot = gpus.verdicts();
    let failures: [Fail; 2] = [
        |answers| answers.temperature = Err(Status::internal("no such device")),
        |answers| answers.health = Err(Status::internal("no such device")),
    ];
    for fail in failures {
        scene.change(|answers| {
            *answers = Answers::default();
            fail(answers);
        });
        assert_eq!(ask(&mut gpus).await, Err("0000:00:02.0: Internal error: no such device".to_owned()));
        assert_eq!(gpus.verdicts(), hot);
    }
    scene.change(|answers| *answers = Answers::default());
    assert_eq!(ask(&mut gpus).await, Ok(Verdict::Healthy));
    gpus.ask_all(&[]).await.unwrap();
    assert!(gpus.verdicts().is_empty(), "a GPU that is gone is forgotten");
}

/// The clock is not the real one: it goes on when all wait.
#[tokio::test(start_paused = true)]
async fn a_sidecar_that_hangs_is_waited_for_shortly() {
    let mut scene = Scene::new();
    scene.serve();
    scene.change(|answers| answers.hangs = true);
    assert_eq!(scene.ask().await, Err("0000:00:02.0: no answer within 2s".to_owned()));
}

#[tokio::test]
async fn a_sidecar_that_hangs_holds_up_no_discovery() {
    let mut scene = Scene::new();
    scene.serve();
    scene.change(|answers| answers.hangs = true);
    let running = Running::start(&["-health-management"], &scene.node, scene.folder.path());
    let mut asked = scene.sidecar.asked.subscribe();
    asked.wait_for(|asked| *asked > 0).await.unwrap();
    running.kubelet.wait_until(|state| state.allocatable("gpu.intel.com/xe") == 1).await.unwrap();
    scene.node.remove("card1").unwrap();
    running.kubelet.wait_until(|state| state.capacity("gpu.intel.com/xe") == 0).await.unwrap();
}

#[tokio::test]
async fn all_gpus_of_the_node_are_asked_about() {
    let mut scene = Scene::new();
    scene.serve();
    scene.change(|answers| answers.temperature.as_mut().unwrap().gpu = 95.0);
    let rescan = Rescan::default();
    let mut health = follow_health(&scene.node.host(), LIMITS, &rescan);
    let snapshot = told(&mut health, |snapshot| !snapshot.verdicts.is_empty()).await;
    assert_eq!(snapshot.verdicts.keys().collect::<Vec<_>>(), [&CARD, &"0000:03:00.0".parse().unwrap()]);
    assert!(snapshot.verdicts.values().all(|verdict| *verdict != Verdict::Healthy));
}

#[tokio::test]
async fn indices_are_sorted_and_an_error_is_not_an_empty_list() {
    let mut scene = Scene::new();
    let client = client(&scene.node.host());
    assert_eq!(indices(client.clone()).await, Err("No such file or directory (os error 2)".to_owned()));
    scene.serve();
    assert_eq!(indices(client.clone()).await, Ok(vec![0, 2]));
    scene.change(|answers| {
        let error = api::Error { errorcode: 0x7800_0001, description: "uninitialized".to_owned() };
        answers.indices = Ok(api::DeviceIndices { indices: Vec::new(), error: Some(error) });
    });
    assert_eq!(indices(client.clone()).await, Err("uninitialized".to_owned()));
    scene.change(|answers| answers.indices = Err(Status::internal("no driver")));
    assert_eq!(indices(client).await, Err("Internal error: no driver".to_owned()));
}

#[tokio::test]
async fn the_kubelet_takes_a_hot_gpu_out_of_use_until_it_has_cooled() {
    let mut scene = Scene::new();
    scene.serve();
    scene.change(|answers| answers.temperature.as_mut().unwrap().memory = 105.0);
    let flags = ["-health-management", "-shared-dev-num=2"];
    let running = Running::start(&flags, &scene.node, scene.folder.path());
    let is_out = |resource| {
        move |state: &simulator::kubelet::State| {
            state.capacity(resource) == 2 && state.allocatable(resource) == 0
        }
    };
    running.kubelet.wait_until(is_out("gpu.intel.com/i915")).await.unwrap();
    running.kubelet.wait_until(is_out("gpu.intel.com/xe")).await.unwrap();
    assert!(running.kubelet.admit(&PodRequest::of("pod", "gpu.intel.com/xe", 1)).await.is_err());
    scene.change(|answers| *answers = Answers::default());
    running.kubelet.wait_until(|state| state.allocatable("gpu.intel.com/xe") == 2).await.unwrap();
}

#[tokio::test]
async fn a_container_with_two_gpus_of_windows_sees_both() {
    let mut scene = Scene::new();
    scene.serve();
    let running = Running::start(&["-wsl"], &scene.node, scene.folder.path());
    running.kubelet.wait_until(|state| state.allocatable("gpu.intel.com/dxg") == 2).await.unwrap();
    // The first scene has no node for them, and an allocation checks that it is there.
    let pod = PodRequest::of("pod", "gpu.intel.com/dxg", 2);
    let error = running.kubelet.admit(&pod).await.unwrap_err();
    assert!(error.to_string().contains("/dev/dxg"), "{error}");
    scene.node.add("misc as=dxg name=dxg minor=126 node=dxg").unwrap();
    let admission = running.kubelet.admit(&PodRequest::of("again", "gpu.intel.com/dxg", 2)).await.unwrap();
    assert_eq!(admission.containers["main"].options.env["ZE_AFFINITY_MASK"], "0,2");
}
