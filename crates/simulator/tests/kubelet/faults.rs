use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use device_plugin::api;
use simulator::kubelet::{EventKind, Faults, Kubelet, Options, PluginClient, RegisterFault, State};
use tokio::net::UnixStream;
use tonic::Code;

use super::plugin::{Call, Plugin, RESOURCE, healthy, kubelet, kubelet_with, until};

fn with(faults: impl IntoIterator<Item = RegisterFault>) -> Options {
    let register = faults.into_iter().collect();
    Options { faults: Faults { register, ..Faults::default() }, ..Options::default() }
}

fn called_back(state: &State) -> bool {
    state.events.iter().any(|event| matches!(event.kind, EventKind::CalledBack { .. }))
}

/// Registering hangs until the kubelet has called back.
async fn hangs_after_the_call_back(
    kubelet: &Kubelet,
    registering: impl Future<Output = Result<(), tonic::Status>>,
) {
    tokio::select! {
        answer = registering => panic!("{answer:?}"),
        reached = kubelet.wait_until(called_back) => reached.unwrap(),
    }
}

#[tokio::test]
async fn registrations_are_refused_as_often_as_wanted() {
    let refuse = || RegisterFault::Refuse("not now".to_owned());
    let (kubelet, folder) = kubelet(with([refuse(), refuse()]));
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    for _ in 0..2 {
        assert_eq!(plugin.register().await.unwrap_err().message(), "not now");
    }
    assert!(plugin.calls().is_empty());
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
}

#[tokio::test]
async fn an_answer_can_come_late() {
    let (kubelet, folder) = kubelet(with([RegisterFault::Hang(Duration::from_millis(20))]));
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
}

#[tokio::test]
async fn an_answer_can_come_never() {
    let (kubelet, folder) = kubelet(with([RegisterFault::Hang(Duration::MAX)]));
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    let mut registering = pin!(plugin.register());
    hangs_after_the_call_back(&kubelet, registering.as_mut()).await;
    assert_eq!(plugin.calls(), [Call::Options], "the list is not opened before the answer");
    let (answer, ()) = tokio::join!(registering, kubelet.stop());
    assert!([Code::Unavailable, Code::Unknown, Code::Cancelled].contains(&answer.unwrap_err().code()));
}

#[tokio::test]
async fn a_plugin_that_gives_up_can_register_again() {
    let (kubelet, folder) = kubelet(with([RegisterFault::Hang(Duration::MAX)]));
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    hangs_after_the_call_back(&kubelet, plugin.register()).await;
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
    assert_eq!(kubelet.resources()[RESOURCE].registrations, 1);
}

#[tokio::test]
async fn the_kubelet_can_stop_within_a_registration() {
    for (fault, calls) in [(RegisterFault::StopBeforeDial, 0), (RegisterFault::StopBeforeAnswer, 1)] {
        let (kubelet, folder) = kubelet(with([fault.clone()]));
        let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
        plugin.register().await.unwrap_err();
        assert!(!kubelet.state().running, "{fault:?}");
        assert_eq!(plugin.calls().len(), calls, "{fault:?}");
        assert_eq!(plugin.register().await.unwrap_err().code(), Code::Unavailable, "{fault:?}");
        kubelet.restart().await.unwrap();
        let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
        plugin.register().await.unwrap();
        kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
    }
}

/// Much goes on, but this does not end.
async fn gets_no_answer(mut registering: Pin<&mut impl Future>) {
    for _ in 0..100 {
        let pending = poll_fn(|cx| Poll::Ready(registering.as_mut().poll(cx).is_pending())).await;
        assert!(pending);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_socket_can_be_there_with_nobody_answering() {
    let options =
        Options { faults: Faults { accepts_nothing: true, ..Faults::default() }, ..Options::default() };
    let (kubelet, folder) = kubelet(options);
    UnixStream::connect(folder.path().join("kubelet.sock")).await.expect("it is there");
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    let mut registering = pin!(plugin.register());
    gets_no_answer(registering.as_mut()).await;
    kubelet.set_faults(|faults| faults.accepts_nothing = false);
    registering.await.unwrap();
    kubelet.set_faults(|faults| faults.accepts_nothing = true);
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.expect("what is connected stays so");
    gets_no_answer(pin!(plugin.register())).await;
}

#[tokio::test]
async fn lists_can_be_left_unread() {
    let (kubelet, plugin, _folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    kubelet.set_faults(|faults| faults.reads_no_lists = true);
    // One list may be awaited already when the fault comes.
    plugin.set_devices(Vec::new());
    kubelet.wait_until(|state| state.resources[RESOURCE].lists == 2).await.unwrap();
    plugin.set_devices(healthy(["red", "blue"]));
    plugin.register().await.unwrap();
    until(|| plugin.streams() == 2).await;
    // This takes longer than a list would take.
    plugin.register().await.unwrap();
    assert_eq!(kubelet.resources()[RESOURCE].lists, 2);
    kubelet.set_faults(|faults| faults.reads_no_lists = false);
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 2).await.unwrap();
}

#[tokio::test]
async fn a_stream_can_be_dropped() {
    let (kubelet, plugin, _folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    assert!(kubelet.drop_stream(RESOURCE));
    assert_eq!(kubelet.state().allocatable(RESOURCE), 0);
    until(|| plugin.streams() == 0).await;
    assert!(!kubelet.drop_stream(RESOURCE));
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
}

#[tokio::test]
async fn faults_outlive_a_restart() {
    let (kubelet, folder) =
        kubelet(with([RegisterFault::StopBeforeDial, RegisterFault::Refuse("no".to_owned())]));
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    plugin.register().await.unwrap_err();
    kubelet.restart().await.unwrap();
    assert_eq!(plugin.register().await.unwrap_err().message(), "no");
    kubelet
        .set_faults(|faults| faults.register = VecDeque::from([RegisterFault::Refuse("again".to_owned())]));
    assert_eq!(plugin.register().await.unwrap_err().message(), "again");
}

#[tokio::test]
async fn a_client_can_do_all_that_the_kubelet_does() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("paint.sock");
    let nobody = PluginClient::connect(&socket).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unavailable);
    assert!(nobody.message().starts_with(&format!("cannot connect to {}: ", socket.display())), "{nobody}");
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    plugin.script(|script| script.preferred = Some(Ok(vec!["red"])));
    let client = PluginClient::connect(&socket).await.unwrap();
    assert_eq!(client.options().await.unwrap(), api::DevicePluginOptions::default());
    let mut lists = client.lists().await.unwrap();
    assert_eq!(lists.message().await.unwrap().unwrap().devices, healthy(["red"]));
    let no_devices: [&str; 0] = [];
    assert_eq!(client.prefer(["red", "blue"], no_devices, 1).await.unwrap(), ["red"]);
    assert_eq!(client.allocate(["red"]).await.unwrap().devices[0].host_path, "/dev/red");
    client.pre_start(["red"]).await.unwrap();
    let asked = plugin.calls();
    assert_eq!(asked.len(), 5, "{asked:?}");
    plugin.stop().await;
    assert_eq!(lists.message().await.unwrap(), None);
}
