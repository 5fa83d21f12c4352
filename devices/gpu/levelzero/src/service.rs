//! The service, with the Go implementation's methods and messages.

use host::PciAddress;
use tonic::{Request, Response, Status};

use crate::api::levelzero_server::Levelzero;
use crate::api::{
    DeviceHealth, DeviceId, DeviceIndices, DeviceMemoryAmount, DeviceTemperature, Error,
    GetIntelIndicesMessage,
};
use crate::failure::Failure;
use crate::sysman::{Health, Sysman, Temperatures};
use crate::worker::{Unanswered, Worker, subject};

/// What stands for a temperature that cannot be read.
const NO_TEMPERATURE: f64 = -999.0;

/// Answers by asking the library. What the library says travels in the answer's `error`; a gRPC status is for questions that it
/// was not asked, since a call before them hangs.
pub(crate) struct Service(pub(crate) Worker);

#[tonic::async_trait]
impl Levelzero for Service {
    async fn get_device_health(&self, request: Request<DeviceId>) -> tonic::Result<Response<DeviceHealth>> {
        let address = match address(&request) {
            Ok(address) => address,
            Err(failure) => return answer(health(Health { failure: Some(failure), ..Health::default() })),
        };
        match self.0.ask(Some(address), move |sysman| sysman.health(address)).await {
            Ok(found) => answer(health(found)),
            // A call about all devices hangs, too, by the first that does.
            Err(Unanswered::Hangs(about)) if about.is_none_or(|about| about == address) => {
                let failure = Failure::lost(format!("the driver hangs, {}", subject(about)));
                answer(health(Health { bad_device: true, failure: Some(failure), ..Health::default() }))
            }
            Err(why) => Err(unanswered(&why)),
        }
    }

    async fn get_device_temperature(
        &self,
        request: Request<DeviceId>,
    ) -> tonic::Result<Response<DeviceTemperature>> {
        let found = match address(&request) {
            Ok(address) => self.0.ask(Some(address), move |sysman| sysman.temperatures(address)).await,
            Err(failure) => Ok(Temperatures { failure: Some(failure), ..Temperatures::default() }),
        };
        let found = found.map_err(|why| unanswered(&why))?;
        answer(DeviceTemperature {
            global: found.global.unwrap_or(NO_TEMPERATURE),
            gpu: found.gpu.unwrap_or(NO_TEMPERATURE),
            memory: found.memory.unwrap_or(NO_TEMPERATURE),
            error: error(found.failure),
        })
    }

    async fn get_intel_indices(
        &self,
        _: Request<GetIntelIndicesMessage>,
    ) -> tonic::Result<Response<DeviceIndices>> {
        let found = self.0.ask(None, Sysman::intel_indices).await.map_err(|why| unanswered(&why))?;
        let (indices, failure) =
            found.map_or_else(|failure| (Vec::new(), Some(failure)), |indices| (indices, None));
        answer(DeviceIndices { indices, error: error(failure) })
    }

    async fn get_device_memory_amount(
        &self,
        request: Request<DeviceId>,
    ) -> tonic::Result<Response<DeviceMemoryAmount>> {
        let found = match address(&request) {
            Ok(address) => self.0.ask(Some(address), move |sysman| sysman.memory_amount(address)).await,
            Err(failure) => Ok(Err(failure)),
        };
        let found = found.map_err(|why| unanswered(&why))?;
        let (memory_size, failure) = found.map_or_else(|failure| (0, Some(failure)), |size| (size, None));
        answer(DeviceMemoryAmount { memory_size, error: error(failure) })
    }
}

fn address(request: &Request<DeviceId>) -> Result<PciAddress, Failure> {
    let text = &request.get_ref().bdf_address;
    text.parse().map_err(|_no_address| {
        let text: String = text.chars().take(32).collect();
        Failure::invalid(format!("{text:?} is no PCI address like 0000:03:00.0"))
    })
}

fn health(found: Health) -> DeviceHealth {
    if let Some(failure) = &found.failure {
        tracing::debug!("health: {failure}");
    }
    DeviceHealth {
        memory_ok: !found.bad_memory,
        bus_ok: !found.bad_bus,
        soc_ok: !found.bad_device,
        error: error(found.failure),
    }
}

/// It is there without a failure, too: clients of the Go implementation read it without a look.
#[expect(clippy::unnecessary_wraps, reason = "the message's field is an Option")]
fn error(failure: Option<Failure>) -> Option<Error> {
    Some(failure.map_or_else(Error::default, |failure| Error {
        description: failure.to_string(),
        errorcode: failure.code,
    }))
}

fn unanswered(why: &Unanswered) -> Status {
    Status::unavailable(match why {
        Unanswered::Hangs(about) => format!("the driver hangs, {}", subject(*about)),
        Unanswered::NotYet => "Level Zero has not answered yet".to_owned(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "what a method returns")]
fn answer<T>(message: T) -> tonic::Result<Response<T>> {
    Ok(Response::new(message))
}
