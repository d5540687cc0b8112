//! The platform to connect to: from flags, or else from a profile.

use std::path::{Path, PathBuf};

use clap::Args;
use seoham_kit::client::{BuildError, CallError, Client};
use seoham_kit::exchange::ExchangeLog;
use seoham_model::{Clock, ContractUuid, Lang};

use super::profile::{DEFAULT, Profile, Profiles, usual_file};
use seoham_vault::read_private;

use crate::terminal::{Failure, Outcome, language};

/// The platform, the token, the contract.
#[derive(Args, Clone, Default)]
pub(crate) struct PlatformArgs {
    /// A profile that `seoham init` made [default: default]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The file with the profiles [default: ~/.config/seoham/profiles.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The platform's address, instead of the profile's.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Where bulk calls go, when that is another address.
    #[arg(long, value_name = "URL")]
    pub(crate) bulk_url: Option<String>,
    /// A file with the institution's access token, instead of the profile's.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The contract, CON-…, instead of the profile's.
    #[arg(long, value_name = "CON-…")]
    pub(crate) contract: Option<String>,
    /// Record every exchange with the platform in this exchange log.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) log: Option<PathBuf>,
}

impl PlatformArgs {
    /// The profiles file.
    pub(crate) fn file(&self) -> Outcome<PathBuf> {
        self.config.clone().or_else(usual_file).ok_or_else(|| {
            Failure::usage(
                "설정 파일의 위치를 알 수 없습니다. --config로 정해 주십시오",
                "it is not known where profiles are kept; give --config",
            )
        })
    }

    /// The effective profile.
    pub(crate) fn resolve(&self) -> Outcome<Profile> {
        let token = self.token_file.as_deref().map(token_in).transpose()?;
        if let (Some(url), Some(access_token), Some(contract)) = (&self.url, &token, &self.contract) {
            return Ok(Profile {
                url: url.clone(),
                bulk_url: self.bulk_url.clone(),
                access_token: access_token.clone(),
                contract_uuid: contract.clone(),
            });
        }
        let file = self.file()?;
        let name = self.profile.as_deref().unwrap_or(DEFAULT);
        let mut profiles = Profiles::read(&file)?.profiles;
        let Some(mut profile) = profiles.remove(name) else {
            let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
            let known = known.join(", ");
            let shown = file.display();
            return Err(Failure::usage(
                format!(
                    "'{name}' 프로필이 {shown}에 없습니다(있는 프로필: {known}). seoham init 으로 만들거나 \
                     --url, --token-file, --contract를 모두 주십시오"
                ),
                format!(
                    "there is no profile {name:?} in {shown} (there are: {known}); make one with seoham init, or \
                     give --url, --token-file and --contract"
                ),
            ));
        };
        if let Some(url) = &self.url {
            url.clone_into(&mut profile.url);
            profile.bulk_url = None;
        }
        profile.bulk_url = self.bulk_url.clone().or(profile.bulk_url);
        profile.access_token = token.unwrap_or(profile.access_token);
        profile.contract_uuid = self.contract.clone().unwrap_or(profile.contract_uuid);
        Ok(profile)
    }

    /// Builds a client for `profile`.
    pub(crate) fn client(&self, profile: &Profile) -> Outcome<Client> {
        if ContractUuid::parse(&profile.contract_uuid).is_none() {
            return Err(Failure::usage(
                "계약 번호는 CON-과 16진수 소문자 32자리여야 합니다",
                "the contract must be CON- and 32 lower-case hex digits",
            ));
        }
        let mut builder = Client::builder(&profile.url).contract_uuid(&profile.contract_uuid);
        if let Some(url) = &profile.bulk_url {
            builder = builder.bulk_url(url);
        }
        if language() == Lang::En {
            builder = builder.in_english();
        }
        if let Some(directory) = &self.log {
            let opened = ExchangeLog::open(directory, Clock::default());
            let (log, _) =
                opened.map_err(|e| Failure::usage(format!("--log: {e}"), format!("--log: {e}")))?;
            builder = builder.exchange_log(log);
        }
        builder.build(profile.access_token.clone().into()).map_err(|error| unusable(&error))
    }
}

fn unusable(error: &BuildError) -> Failure {
    let en = error.to_string();
    let ko = match error {
        BuildError::Address(name) => format!("{name}: 질의와 조각이 없는 http(s) 주소여야 합니다"),
        BuildError::AccessToken => "접근 토큰은 16진수 소문자 32자리여야 합니다".to_owned(),
        BuildError::Http(error) => format!("HTTP 클라이언트를 만들 수 없습니다: {error}"),
    };
    Failure::usage(ko, en)
}

fn token_in(file: &Path) -> Outcome<String> {
    let token = read_private(file).map_err(|error| {
        Failure::usage(format!("--token-file {}", error.korean()), format!("--token-file {error}"))
    })?;
    Ok(token.to_string())
}

/// Why a call failed, as text for the user.
pub(crate) fn why(error: &CallError) -> (String, String) {
    let en = error.to_string();
    let ko = match error {
        CallError::Refused { status, code, message } => format!("{status} {code}: {message}"),
        CallError::Gone { oldest } => {
            format!("보관 기간이 지난 이벤트입니다. 남아 있는 가장 오래된 이벤트는 {oldest}번입니다")
        }
        CallError::Busy { status, .. } => format!("{status}: 서버가 지금은 더 받지 않습니다"),
        CallError::Unreachable => "서버에 연결할 수 없습니다".to_owned(),
        CallError::Unknown(_) => "응답을 받지 못해 접수되었는지 알 수 없습니다".to_owned(),
        CallError::Unintelligible(status) => format!("{status}: 규격에 없는 응답입니다"),
        CallError::Log => "교환 기록(--log)을 쓸 수 없습니다".to_owned(),
        CallError::Document { .. } | CallError::Items(_) => en.clone(),
    };
    (ko, en)
}

/// The failure of a command whose call failed.
pub(crate) fn stopped(error: &CallError) -> Failure {
    let (ko, en) = why(error);
    Failure::unfinished(ko, en)
}
