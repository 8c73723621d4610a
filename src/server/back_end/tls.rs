//! TLS towards directories and databases: always verified, host name included (attack S56).

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Trusts these PEM certificates, or the system's where there are none.
pub(super) fn client_config(trusted: Option<&[u8]>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match trusted {
        None => {
            let system = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(system);
        }
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| "trustCertificates: not PEM")?;
                roots
                    .add(certificate)
                    .map_err(|_| "trustCertificates: a certificate does not decode")?;
            }
        }
    }
    if roots.is_empty() {
        return Err("trustCertificates: no certificate".to_owned());
    }
    Ok(ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth())
}
