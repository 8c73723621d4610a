//! The password check: an htpasswd file, hashed on a bounded pool of threads of its own.
//!
//! Hashing is slow on purpose, so it must never hold up a thread that serves: a fixed number of
//! threads computes, a bounded queue waits, and what cannot wait is told to try again.

pub mod hash;
pub mod htpasswd;

use crate::authn::evidence::PasswordVerified;
use crate::authn::login::{Expiry, PasswordAnswer};
use crate::config::ldap::PasswordValidator;
use crate::config::settings::PasswordSettings;
use crate::duo::secret::Secret;
use crate::server::back_end::ldap::{LdapPassword, Verdict};
use crate::server::world::Clock;
use htpasswd::Htpasswd;
use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Longer passwords are refused unread, so that no one buys hashing time with them.
const MAX_PASSWORD: usize = 1024;

/// Checks passwords.
pub struct PasswordBackEnd {
    jobs: SyncSender<Job>,
    validators: Vec<PasswordValidator>,
    ldap: Option<LdapPassword>,
    clock: Arc<dyn Clock>,
    patience: Duration,
    notice: Duration,
    folding: Folding,
    file: Arc<Htpasswd>,
}

struct Job {
    username: String,
    password: Secret,
    reply: oneshot::Sender<Verdict>,
}

#[derive(Clone, Copy, Debug)]
struct Folding {
    trim: bool,
    lowercase: bool,
    uppercase: bool,
}

impl PasswordBackEnd {
    /// Starts the threads. They end when this value is dropped and the queue is empty.
    pub fn start(settings: &PasswordSettings, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(settings.queue.max(1));
        let queue = Arc::new(Mutex::new(queue));
        let file = Arc::new(Htpasswd::new(&settings.htpasswd));
        for number in 0..threads(settings) {
            let (queue, file) = (Arc::clone(&queue), Arc::clone(&file));
            std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || serve(&queue, &file))?;
        }
        let ldap = settings.ldap.clone().map(LdapPassword::new).transpose();
        Ok(Self {
            jobs,
            validators: settings.validators.clone(),
            ldap: ldap.map_err(io::Error::other)?,
            file,
            clock,
            patience: settings.queue_timeout,
            notice: settings.expiry_notice,
            folding: Folding {
                trim: settings.trim,
                lowercase: settings.lowercase,
                uppercase: settings.uppercase,
            },
        })
    }

    /// Checks one password.
    pub async fn check(&self, username: &str, password: Secret) -> PasswordAnswer {
        let username = self.folding.apply(username);
        let length = password.expose().len();
        if username.is_empty() || length == 0 || length > MAX_PASSWORD {
            return PasswordAnswer::Refused;
        }
        let (verdict, validator) = self.ask(&username, &password).await;
        let now = self.clock.now();
        let verified = || PasswordVerified::attest(username, validator.to_owned(), now);
        match verdict {
            Verdict::Expiring(expiry) if self.is_worth_a_notice(expiry) => {
                PasswordAnswer::Expiring(verified(), expiry)
            }
            Verdict::Right | Verdict::Expiring(_) => PasswordAnswer::Verified(verified()),
            Verdict::Wrong => PasswordAnswer::Refused,
            Verdict::Locked => PasswordAnswer::AccountLocked,
            Verdict::Expired => PasswordAnswer::Expired,
            Verdict::Unavailable => PasswordAnswer::Unavailable,
        }
    }

    /// Spends the time of a check and says nothing: the answer is decided already. A directory is
    /// not asked, so that nobody locks accounts there through us.
    pub async fn pretend(&self, username: &str, password: Secret) {
        let username = self.folding.apply(username);
        let length = password.expose().len();
        let checked = !username.is_empty() && (1..=MAX_PASSWORD).contains(&length);
        if checked && self.validators.contains(&PasswordValidator::Htpasswd) {
            self.hash(&username, &password).await;
        }
    }

    /// Changes whenever this user's stored password does, and tells nobody who lacks the salt
    /// anything about it; `None` when there is no such user, the file cannot be read, or a
    /// directory checks passwords too: it does not tell when one changed.
    pub async fn digest(&self, username: &str, salt: &str) -> Option<String> {
        if self.ldap.is_some() {
            return None;
        }
        let (file, username) = (Arc::clone(&self.file), username.to_owned());
        let salt = salt.to_owned();
        let digest = move || file.users().map(|users| users.digest(&username, &salt));
        match tokio::task::spawn_blocking(digest).await {
            Ok(Ok(digest)) => digest,
            Ok(Err(error)) => {
                tracing::error!(%error, "the password file cannot be read");
                None
            }
            Err(_) => None,
        }
    }

    /// Asks the validators in turn. One that says no leaves it to the next; so does one that cannot
    /// be asked, but then nobody is told that the password is wrong.
    async fn ask(&self, username: &str, password: &Secret) -> (Verdict, &'static str) {
        let mut verdict = Verdict::Wrong;
        for validator in &self.validators {
            let (said, name) = match (validator, &self.ldap) {
                (PasswordValidator::Htpasswd, _) => {
                    (self.hash(username, password).await, "htpasswd")
                }
                (PasswordValidator::Ldap, Some(ldap)) => {
                    (Box::pin(ldap.check(username, password)).await, "ldap")
                }
                (PasswordValidator::Ldap, None) => (Verdict::Unavailable, "ldap"),
            };
            match said {
                Verdict::Right | Verdict::Expiring(_) | Verdict::Locked | Verdict::Expired => {
                    return (said, name);
                }
                Verdict::Unavailable => verdict = said,
                Verdict::Wrong => {}
            }
        }
        (verdict, "")
    }

    fn is_worth_a_notice(&self, expiry: Expiry) -> bool {
        match expiry {
            Expiry::Seconds(seconds) => seconds < self.notice.as_secs(),
            Expiry::Logins(_) => true,
        }
    }

    async fn hash(&self, username: &str, password: &Secret) -> Verdict {
        let (username, password) = (username.to_owned(), password.clone());
        let (reply, answer) = oneshot::channel();
        let job = Job {
            username,
            password,
            reply,
        };
        if self.jobs.try_send(job).is_err() {
            tracing::warn!("too many password checks are waiting");
            return Verdict::Unavailable;
        }
        match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Verdict::Unavailable,
        }
    }
}

impl fmt::Debug for PasswordBackEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordBackEnd")
    }
}

impl Folding {
    fn apply(self, username: &str) -> String {
        let name = if self.trim { username.trim() } else { username };
        match (self.lowercase, self.uppercase) {
            (true, _) => name.to_lowercase(),
            (false, true) => name.to_uppercase(),
            (false, false) => name.to_owned(),
        }
    }
}

fn threads(settings: &PasswordSettings) -> usize {
    match settings.hash_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

fn serve(queue: &Mutex<Receiver<Job>>, file: &Htpasswd) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Whoever gave up waiting needs no hash.
        if !job.reply.is_closed() {
            let _ = job.reply.send(check(file, &job.username, &job.password));
        }
    }
}

fn check(file: &Htpasswd, username: &str, password: &Secret) -> Verdict {
    match file.users() {
        Ok(users) if users.accept(username, password.expose()) => Verdict::Right,
        Ok(_) => Verdict::Wrong,
        Err(error) => {
            tracing::error!(%error, "the password file cannot be read");
            Verdict::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{ThrottleMode, ThrottleSettings};
    use crate::server::storage::conformance::TestClock;
    use std::path::PathBuf;

    fn settings(folder: &tempfile::TempDir) -> PasswordSettings {
        let htpasswd = folder.path().join("htpasswd.txt");
        std::fs::write(&htpasswd, "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n").unwrap();
        PasswordSettings {
            htpasswd,
            validators: vec![PasswordValidator::Htpasswd],
            ldap: None,
            trim: true,
            lowercase: false,
            uppercase: false,
            hash_threads: 1,
            queue: 4,
            queue_timeout: Duration::from_secs(10),
            expiry_notice: Duration::from_secs(10),
            change_url: None,
            throttle: ThrottleSettings {
                mode: ThrottleMode::Off,
                interval: Duration::from_mins(5),
                attempts: 0,
                account: 0,
                network: 0,
                everyone: 0,
                lock: Duration::from_mins(5),
                exempt: Vec::new(),
            },
        }
    }

    async fn ask(settings: &PasswordSettings, username: &str, password: &str) -> PasswordAnswer {
        PasswordBackEnd::start(settings, TestClock::new())
            .unwrap()
            .check(username, Secret::new(password))
            .await
    }

    #[tokio::test]
    async fn a_right_password_attests_the_folded_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        settings.lowercase = true;
        let answer = ask(&settings, " Ann ", "password").await;
        let PasswordAnswer::Verified(evidence) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(evidence.username(), "ann");
        assert_eq!(evidence.validator(), "htpasswd");
    }

    #[tokio::test]
    async fn s52_unknown_wrong_and_locked_get_one_answer() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder);
        for (username, password) in [("ann", "wrong"), ("eve", "password"), ("", "password")] {
            let answer = ask(&settings, username, password).await;
            assert!(
                matches!(answer, PasswordAnswer::Refused),
                "{username} {answer:?}"
            );
        }
    }

    #[tokio::test]
    async fn s54_empty_and_overlong_passwords_are_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        // An unreadable file would answer Unavailable: so the file was not asked.
        settings.htpasswd = PathBuf::from("/nonexistent");
        for password in [String::new(), "x".repeat(MAX_PASSWORD + 1)] {
            let answer = ask(&settings, "ann", &password).await;
            assert!(matches!(answer, PasswordAnswer::Refused), "{answer:?}");
        }
        let answer = ask(&settings, "ann", &"x".repeat(MAX_PASSWORD)).await;
        assert!(matches!(answer, PasswordAnswer::Unavailable), "{answer:?}");
    }

    #[tokio::test]
    async fn s54_a_full_queue_says_try_again_at_once() {
        let (jobs, _never_served) = sync_channel(1);
        let folder = tempfile::tempdir().unwrap();
        let pool = PasswordBackEnd {
            jobs,
            ..PasswordBackEnd::start(&settings(&folder), TestClock::new()).unwrap()
        };
        let waiting = pool.check("ann", Secret::new("password"));
        let refused = pool.check("ann", Secret::new("password"));
        let (waiting, refused) = (std::pin::pin!(waiting), std::pin::pin!(refused));
        let first = futures_util::future::select(waiting, refused).await;
        let futures_util::future::Either::Right((answer, _)) = first else {
            panic!("the first check waits, the second is refused");
        };
        assert!(matches!(answer, PasswordAnswer::Unavailable), "{answer:?}");
    }
}
