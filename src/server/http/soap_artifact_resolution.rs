//! POST `/profile/SAML2/SOAP/ArtifactResolution`: a relying party redeems an artifact (SAML core 3.5,
//! profiles 5).
//!
//! Only who signs is answered; that nothing is behind an artifact is answered like success, so that
//! nobody learns which ones there were.

use crate::response::artifact_response;
use crate::saml::artifact::{ArtifactResolve, accept_resolve};
use crate::saml::metadata::EntityDescriptor;
use crate::saml::soap::{self, FaultCode, is_soap};
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use actix_web::http::{StatusCode, header};

/// Answers with a signed ArtifactResponse in an envelope, or with a SOAP fault.
pub async fn receive(exchange: &Exchange, body: &[u8]) -> Reply {
    resolve(exchange, body)
        .await
        .unwrap_or_else(Fault::soap_reply)
}

async fn resolve(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    if !is_soap(exchange.header(header::CONTENT_TYPE)) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Fault::Request(status, "BadRequest"));
    }
    let envelope = match soap::parse(body, &[]) {
        Ok(envelope) => envelope,
        Err(error) => return Ok(Reply::soap_fault(error.code, error.reason)),
    };
    let issuer = envelope.claimed_issuer();
    let metadata = &exchange.app.metadata;
    if let Some(issuer) = &issuer {
        metadata.prepare(issuer, exchange.now).await;
    }
    let metadata = metadata.current();
    let acceptance = &exchange.generation.settings.acceptance;
    match accept_resolve(&envelope, &*metadata, acceptance, None, exchange.now) {
        Ok((resolve, relying_party)) => answer(exchange, &resolve, &relying_party).await,
        Err(refusal) => {
            tracing::warn!(
                ?issuer,
                event = refusal.event,
                reason = refusal.reason,
                "not resolved"
            );
            Ok(Reply::soap_fault(FaultCode::Client, refusal.reason))
        }
    }
}

async fn answer(
    exchange: &Exchange,
    resolve: &ArtifactResolve,
    relying_party: &EntityDescriptor,
) -> Result<Reply, Fault> {
    let artifacts = exchange.artifacts();
    let message = artifacts.take(&resolve.artifact, &resolve.issuer).await?;
    let found = message.is_some();
    tracing::info!(issuer = ?resolve.issuer, found, "artifact resolved");
    let settings = &exchange.generation.settings;
    let key = settings.signing_key_for(relying_party);
    let key = key.ok_or_else(|| Fault::Defect("no signing key".to_owned()))?;
    let world = &exchange.app.world;
    let id = format!("_{}", world.id());
    let fresh = (id.as_str(), world.now());
    let xml = artifact_response(resolve, &settings.entity_id, fresh, message.as_deref(), key)
        .map_err(|error| Fault::Defect(error.to_string()))?;
    Ok(Reply::soap(StatusCode::OK, xml))
}
