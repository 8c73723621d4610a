//! The rules of a random operator.

use crate::world::{CLIENT, Choices, GENERATION, PHISHING_RESISTANT, SECRET};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vestibule::authn::descriptor::{Condition, FlowDescriptor};
use vestibule::authn::event::Event;
use vestibule::authn::evidence::EvidenceTable;
use vestibule::authn::facts::FactKey;
use vestibule::authn::flow::FlowId;
use vestibule::authn::principal::ClassOrder;
use vestibule::authn::remembered::{Offer, RememberRules};
use vestibule::authn::rules::{AuthApiRules, DuoRules, DuoUsername, FailMode, Passwordless, Rules};
use vestibule::authn::strategy::{Decision, Next, ScriptName, Strategies, Trace, View};
use vestibule::authn::transition::{On, Stage, Target, TransitionMap};
use vestibule::duo::integration::Integration;
use vestibule::duo::secret::Secret;
use vestibule::saml::context::{
    AuthnContextClassRef, PASSWORD, PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA,
};

/// Rules of a random operator.
pub(crate) struct Setting {
    pub(crate) rules: Rules,
}

/// A script as a table: its answer depends only on what it is shown.
#[derive(Debug)]
struct Table {
    seed: u8,
    fails: bool,
    insists: bool,
}

impl Table {
    fn pick(&self, view: &View<'_>, script: &ScriptName, choices: u8) -> u8 {
        let mut text = format!("{script}{}{}{}", self.seed, view.acceptable, view.event);
        for flow in view.results.keys() {
            text.push_str(flow.as_str());
        }
        openssl::sha::sha256(text.as_bytes())[0] % choices
    }
}

impl Strategies for Table {
    fn next_factor(&self, script: &ScriptName, view: &View<'_>) -> Decision<Next> {
        if self.fails {
            return Decision::Failed("broken".to_owned());
        }
        if self.insists {
            let done = view.results.contains_key(&FlowId::DuoOidc);
            let next = if done {
                Next::End
            } else {
                Next::Flow(FlowId::DuoOidc)
            };
            return Decision::Made(next, Trace::default());
        }
        let answer = match self.pick(view, script, 8) {
            0..=2 => Next::Flow(FlowId::DuoOidc),
            3 => Next::Flow(FlowId::Password),
            4..=5 => Next::End,
            6 => Next::Fail(Event::AccountError),
            _ if !view.fetched.contains_key(&FactKey::UserGroups) => {
                return Decision::Needs(FactKey::UserGroups);
            }
            _ => Next::End,
        };
        Decision::Made(answer, Trace::default())
    }

    fn integration(&self, _: &ScriptName, _: &View<'_>) -> Decision<String> {
        Decision::Made("default".to_owned(), Trace::default())
    }

    fn principals(
        &self,
        script: &ScriptName,
        view: &View<'_>,
        _claims: &serde_json::Value,
    ) -> Decision<Vec<AuthnContextClassRef>> {
        let classes = [REFEDS_MFA, PHISHING_RESISTANT, "urn:undeclared"];
        let class = classes[usize::from(self.pick(view, script, 3))];
        Decision::Made(vec![AuthnContextClassRef::new(class)], Trace::default())
    }

    fn duo_username(&self, _: &ScriptName, view: &View<'_>) -> Decision<String> {
        Decision::Made(
            view.username.unwrap_or_default().to_owned(),
            Trace::default(),
        )
    }

    fn condition(&self, script: &ScriptName, view: &View<'_>) -> Decision<bool> {
        Decision::Made(self.pick(view, script, 2) == 0, Trace::default())
    }
}

impl Setting {
    pub(crate) fn random(choices: &mut Choices) -> Self {
        let table = Table {
            seed: choices.below(255),
            fails: false,
            insists: false,
        };
        Self {
            rules: rules(random_map(choices), table, choices),
        }
    }

    pub(crate) fn always_duo(choices: &mut Choices) -> Self {
        let table = Table {
            seed: 0,
            fails: false,
            insists: true,
        };
        Self {
            rules: rules(shipped_map(), table, choices),
        }
    }

    pub(crate) fn failing_script(choices: &mut Choices) -> Self {
        let table = Table {
            seed: 0,
            fails: true,
            insists: false,
        };
        Self {
            rules: rules(shipped_map(), table, choices),
        }
    }
}

fn shipped_map() -> TransitionMap {
    let proceed = On::Event(Event::Proceed);
    let script = Target::Script(ScriptName("mfa/second-factor".to_owned()));
    TransitionMap::new(BTreeMap::from([
        ((Stage::Start, proceed), Target::Flow(FlowId::Password)),
        ((Stage::After(FlowId::Password), proceed), script),
        ((Stage::After(FlowId::DuoOidc), proceed), Target::End),
    ]))
}

fn random_map(choices: &mut Choices) -> TransitionMap {
    let mut map = BTreeMap::new();
    for stage in [
        Stage::Start,
        Stage::After(FlowId::Password),
        Stage::After(FlowId::DuoOidc),
    ] {
        let events = [
            Event::Proceed,
            Event::ReselectFlow,
            Event::AuthenticationException,
            Event::NoPassive,
        ];
        for event in events {
            if event == Event::Proceed || choices.chance(3) {
                map.insert((stage, On::Event(event)), random_target(choices));
            }
        }
        if choices.chance(6) {
            map.insert((stage, On::Any), random_target(choices));
        }
    }
    if choices.below(3) != 0 {
        map.insert(
            (Stage::Start, On::Event(Event::Proceed)),
            Target::Flow(FlowId::Password),
        );
    }
    TransitionMap::new(map)
}

fn random_target(choices: &mut Choices) -> Target {
    match choices.below(9) {
        0 => Target::Flow(FlowId::Password),
        1 | 2 => Target::Flow(FlowId::DuoOidc),
        3 | 4 => Target::Script(ScriptName(format!("mfa/s{}", choices.below(3)))),
        5 | 6 => Target::End,
        7 => Target::Fail,
        _ => Target::FailWith(Event::AccountError),
    }
}

fn rules(transitions: TransitionMap, table: Table, choices: &mut Choices) -> Rules {
    let class = AuthnContextClassRef::new;
    let password = vec![class(PASSWORD_PROTECTED_TRANSPORT), class(PASSWORD)];
    // A careless operator lets the password flow "support" MFA: evidence must still bound it.
    let careless = [password.clone(), vec![class(REFEDS_MFA)]].concat();
    let duo = vec![class(REFEDS_MFA), class(PHISHING_RESISTANT)];
    let flows = [
        (
            FlowId::Password,
            if choices.chance(3) {
                careless
            } else {
                password
            },
            true,
        ),
        (FlowId::DuoOidc, duo, false),
        (FlowId::Mfa, Vec::new(), true),
    ];
    let mut integration = Integration::new("default", "duo.test", CLIENT, Secret::new(SECRET));
    integration.redirect_url = Some("https://idp.test/callback".to_owned());
    Rules {
        top_level: vec![FlowId::Mfa],
        flows: flows
            .into_iter()
            .map(|(flow, classes, passive)| (flow, descriptor(flow, classes, passive, choices)))
            .collect(),
        transitions,
        classes: ClassOrder::default(),
        ignored_contexts: Vec::new(),
        accept_later_classes: !choices.chance(4),
        duo: DuoRules {
            integrations: BTreeMap::from([("default".to_owned(), Arc::new(integration))]),
            integration_strategy: None,
            principal_strategy: choices
                .chance(3)
                .then(|| ScriptName("duo/principals".to_owned())),
            username: DuoUsername::AsIs,
            health_check: !choices.chance(4),
            evidence: EvidenceTable::default(),
            pending_lifetime: Duration::from_mins(5),
            allowed_origins: Vec::new(),
            callback_path: "/callback".to_owned(),
            max_starts: 5,
            passwordless: choices.chance(3).then(Passwordless::default),
            fail_mode: if choices.chance(4) {
                FailMode::Open
            } else {
                FailMode::Closed
            },
            auth_api: (!choices.chance(4)).then(|| auth_api(choices)),
            remember: remember(choices),
        },
        strategies: Arc::new(table),
        step_limit: 100,
    }
}

fn auth_api(choices: &mut Choices) -> AuthApiRules {
    AuthApiRules {
        integration: Arc::new(Integration::new(
            "auth-api",
            "duo.test",
            CLIENT,
            Secret::new(SECRET),
        )),
        auto: choices.chance(2),
        client_address_trusted: choices.chance(2),
    }
}

/// A bold operator lets a remembered browser claim everything: the evidence must still bound it.
fn remember(choices: &mut Choices) -> RememberRules {
    let class = AuthnContextClassRef::new;
    let claims: [&[&str]; 3] = [&[], &[REFEDS_MFA], &[REFEDS_MFA, PHISHING_RESISTANT]];
    let script = ScriptName("conditions/remember".to_owned());
    RememberRules {
        lifetime: Duration::from_secs(*choices.of(&[86_400, 86_400, 0])),
        condition: if choices.chance(5) {
            Condition::Script(script)
        } else {
            Condition::Constant(true)
        },
        integrations: Vec::new(),
        principals: choices.of(&claims).iter().copied().map(class).collect(),
        offer: *choices.of(&[Offer::Ask, Offer::Always]),
        generation: GENERATION.to_owned(),
    }
}

fn descriptor(
    flow: FlowId,
    supported_principals: Vec<AuthnContextClassRef>,
    passive: bool,
    choices: &mut Choices,
) -> FlowDescriptor {
    let condition = |choices: &mut Choices| match choices.below(6) {
        0 => Condition::Script(ScriptName(format!("conditions/{}", flow.name()))),
        _ => Condition::Constant(true),
    };
    FlowDescriptor {
        flow,
        order: 1000,
        passive,
        forced: true,
        non_browser: true,
        lifetime: Some(Duration::from_hours(1)),
        inactivity_timeout: Some(Duration::from_mins(30)),
        supported_principals,
        add_default_principals: true,
        reuse_condition: condition(choices),
        activation_condition: condition(choices),
    }
}
