//! One generation of the configuration with everything made from it: immutable, swapped as a whole.

use crate::config::settings::Settings;
use crate::saml::binding::Binding;
use crate::saml::metadata::{Endpoint, EntityDescriptor, IndexedEndpoint, SpSsoDescriptor};
use crate::server::back_end::logout::LogoutClient;
use crate::server::back_end::password::PasswordBackEnd;
use crate::server::back_end::{Directory, DuoClient, PersistentIds};
use crate::server::http::account;
use crate::server::pages::Pages;
use crate::server::profiles::ProfileCache;
use crate::server::world::World;
use std::sync::Arc;

/// Settings and what was made from them.
#[derive(Debug)]
pub struct Generation {
    /// The settings.
    pub settings: Settings,
    /// Templates and texts.
    pub pages: Pages,
    /// The Duo client.
    pub duo: Arc<dyn DuoClient>,
    /// The client that tells relying parties of logouts.
    pub logout: LogoutClient,
    /// The attribute source.
    pub directory: Arc<dyn Directory>,
    /// Where persistent NameIDs are kept, if they are.
    pub persistent_ids: Option<Arc<dyn PersistentIds>>,
    /// The password check.
    pub password: PasswordBackEnd,
    /// Our own metadata document.
    pub own_metadata: String,
    /// The account page, described as relying parties are.
    pub account: Arc<EntityDescriptor>,
    /// What holds for which relying party.
    pub profiles: ProfileCache,
    /// Paths that Duo sends browsers back to.
    pub callback_paths: Vec<String>,
    /// Where a form of ours may lead: Duo, after the redirect that answers it.
    pub form_targets: String,
}

impl Generation {
    /// Makes everything, or says what is wrong with the settings.
    pub fn build(settings: Settings, world: &World) -> Result<Self, String> {
        Ok(Self {
            pages: Pages::load(&settings.home, &settings.ui)?,
            duo: world.back_ends.duo(&settings)?,
            logout: LogoutClient::new(settings.logout.timeout)?,
            directory: world.back_ends.directory(&settings)?,
            persistent_ids: world.back_ends.persistent_ids(&settings)?,
            password: PasswordBackEnd::start(&settings.password, Arc::clone(&world.clock))
                .map_err(|error| format!("password threads: {error}"))?,
            own_metadata: settings.own_metadata().to_xml(),
            account: Arc::new(account_page(&settings)),
            profiles: ProfileCache::default(),
            callback_paths: callback_paths(&settings),
            form_targets: form_targets(&settings),
            settings,
        })
    }

    /// A path below the base URL's.
    pub fn path(&self, below: &str) -> String {
        format!("{}{below}", self.settings.base_url.path)
    }
}

/// The same rules decide about a login to the account page as about any other: scripts know it by
/// its URL.
fn account_page(settings: &Settings) -> EntityDescriptor {
    let location = format!("{}{}", settings.base_url.url, account::PATH);
    let endpoint = Endpoint {
        binding: Binding::Redirect,
        location: location.clone(),
        response_location: None,
    };
    EntityDescriptor {
        entity_id: location,
        sp: SpSsoDescriptor {
            assertion_consumer_services: vec![IndexedEndpoint {
                index: 0,
                is_default: Some(true),
                endpoint,
            }],
            ..SpSsoDescriptor::default()
        },
        ..EntityDescriptor::default()
    }
}

fn callback_paths(settings: &Settings) -> Vec<String> {
    let integrations = settings.rules.duo.integrations.values();
    integrations
        .filter_map(|integration| url::Url::parse(integration.redirect_url.as_deref()?).ok())
        .map(|url| url.path().to_owned())
        .chain([settings.rules.duo.callback_path.clone()])
        .collect()
}

/// A browser checks `form-action` again at every redirect that follows a form, so the login page
/// must name Duo's hosts, those of its prompt included (duo-protocol F23).
fn form_targets(settings: &Settings) -> String {
    let integrations = settings.rules.duo.integrations.values();
    let mut hosts: Vec<String> = integrations
        .map(|integration| format!("https://{}", integration.api_host))
        .collect();
    if !hosts.is_empty() {
        hosts.push("https://*.duosecurity.com".to_owned());
    }
    hosts.sort();
    hosts.dedup();
    hosts.join(" ")
}
