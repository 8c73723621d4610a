//! The labels a format may name: Shibboleth's field names and our own, in one table.

use std::fmt;
use std::str::FromStr;

/// Whether a field holds one value or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One value; commas inside it are plain text.
    One,
    /// Values joined by commas; a comma inside a value is escaped.
    Many,
}

macro_rules! labels {
    ($($variant:ident = $name:literal $arity:ident, $doc:literal;)*) => {
        /// A field of an audit line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Label {
            $(#[doc = $doc] $variant,)*
        }

        impl Label {
            /// Every label.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that follows the percent sign.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// One value or several.
            pub fn arity(self) -> Arity {
                match self {
                    $(Self::$variant => Arity::$arity,)*
                }
            }
        }
    };
}

labels! {
    StartTime = "ST" One, "When the login started.";
    EventTime = "T" One, "When the line was made.";
    Event = "e" One, "The event, printed only when it is not `proceed`.";
    Url = "URL" One, "The request's URL.";
    Uri = "URI" One, "The request's path.";
    Destination = "DEST" One, "Where the answer went.";
    Session = "s" One, "The session's id.";
    HashedSession = "HASHEDs" One, "The session's id, hashed.";
    ClientAddress = "a" One, "The client's address.";
    UserAgent = "UA" One, "The client's `User-Agent`.";
    Profile = "P" One, "The profile's id.";
    Username = "u" One, "The canonical user name.";
    HashedUsername = "HASHEDu" One, "The canonical user name, hashed.";
    Impersonator = "uu" One, "Who impersonates.";
    AttributeIds = "attr" Many, "Ids of the released attributes.";
    Flow = "AF" One, "The login flow.";
    AttemptedFlow = "AAF" One, "The login flow being attempted.";
    Reused = "SSO" One, "`true` when an earlier result was reused.";
    RequestedOperator = "ROP" One, "The requested comparison.";
    RequestedPrincipals = "RPRIN" Many, "The requested classes.";
    TransformedUsername = "tu" One, "The user name after its transforms.";
    Validator = "CV" One, "The credential validator's id.";
    AuthnResult = "AR" Many, "`Success`, or the classified errors.";
    X509Subject = "X509S" One, "The certificate's subject.";
    X509Issuer = "X509I" One, "The certificate's issuer.";
    DuoUsername = "DuoU" One, "The name sent to Duo.";
    DuoRedirect = "DuoRedirect" One, "The callback URL sent to Duo.";
    DuoClientId = "DuoCID" One, "The Duo client id used.";
    DuoRequestState = "DuoReqS" One, "The state that was sent.";
    DuoResponseState = "DuoRespS" One, "The state that came back.";
    DuoTransaction = "DuoTXID" One, "Duo's transaction id.";
    DuoDeviceId = "DuoDID" One, "The device's id.";
    DuoDeviceName = "DuoDN" One, "The device's name.";
    DuoReason = "DuoR" One, "Duo's reason, or ours for a refusal.";
    DuoFactor = "DuoF" One, "Duo's factor.";
    RelyingParty = "SP" One, "The relying party's entityID.";
    IdentityProvider = "IDP" One, "Our entityID.";
    Protocol = "p" One, "The protocol's URI.";
    InboundBinding = "b" One, "The inbound binding.";
    OutboundBinding = "bb" One, "The outbound binding.";
    RelayState = "RS" One, "The relay state.";
    RequestId = "I" One, "The request's ID.";
    RequestTime = "D" One, "The request's IssueInstant.";
    InResponseTo = "II" One, "InResponseTo of the response.";
    ResponseId = "III" One, "The response's ID.";
    ResponseTime = "DD" One, "The response's IssueInstant.";
    AssertionId = "i" One, "The assertion's ID.";
    AssertionTime = "d" One, "The assertion's IssueInstant.";
    AuthnInstant = "t" One, "The AuthnInstant.";
    SessionIndex = "x" One, "The SessionIndex.";
    NameId = "n" One, "The NameID.";
    NameIdFormat = "f" One, "The NameID's format.";
    SpNameQualifier = "SPQ" One, "The NameID's SPNameQualifier.";
    PolicyFormat = "pf" One, "The NameIDPolicy's format.";
    PolicySpNameQualifier = "PSPQ" One, "The NameIDPolicy's SPNameQualifier.";
    AuthnContext = "ac" One, "The asserted class.";
    Status = "S" One, "The status.";
    SubStatus = "SS" One, "The second-level status.";
    StatusMessage = "SM" One, "The status message.";
    Passive = "pasv" One, "Whether IsPassive was set.";
    Forced = "fauth" One, "Whether ForceAuthn was set.";
    ScopingCount = "SCC" One, "Scoping's proxy count.";
    ScopingProviders = "SCI" Many, "Scoping's identity providers.";
    ScopingRequesters = "SCR" Many, "Scoping's requesters.";
    ProxyCount = "PRC" One, "The proxy restriction's count.";
    ProxyAudience = "PRA" Many, "The proxy restriction's audiences.";
    InboundSigned = "XX" One, "Whether the request was signed.";
    Encrypted = "X" One, "Whether the answer was encrypted.";
    EncryptionAlgorithm = "XA" One, "The encryption algorithm.";
    ConsentIds = "CCI" Many, "Ids the user was asked about.";
    ConsentValues = "CCV" Many, "Values the user was asked about.";
    ConsentApproved = "CCA" Many, "What the user approved.";
    Transaction = "VTX" One, "The transaction id, also on the page the user sees.";
    Why = "VWHY" One, "Why each step was taken.";
    Degraded = "VDEG" One, "`true` when a wanted factor was skipped because it failed.";
    ScriptAudit = "VAUD" Many, "`key=value` of the scripts' `audit(..)` calls.";
}

/// Labels that a format may name and that stay empty, because what they tell does not exist here.
const UNFILLED: &[Label] = &[
    Label::Url,
    Label::Uri,
    Label::HashedSession,
    Label::HashedUsername,
    Label::Impersonator,
    Label::X509Subject,
    Label::X509Issuer,
    Label::ScopingCount,
    Label::ScopingProviders,
    Label::ScopingRequesters,
    Label::ProxyCount,
    Label::ProxyAudience,
];

impl Label {
    /// Whether any line ever fills this field.
    pub fn is_filled(self) -> bool {
        !UNFILLED.contains(&self)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Label {
    type Err = UnknownLabel;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|label| label.as_str() == name)
            .ok_or(UnknownLabel)
    }
}

/// The name is no label of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLabel;
