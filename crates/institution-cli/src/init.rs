//! `seoham init`: asks for address, token and contract, tests them, and saves them in a profile.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use dialoguer::{Input, Password};

use super::platform::{PlatformArgs, stopped};
use super::profile::{DEFAULT, Profile, Profiles};
use crate::product::described;
use crate::terminal::{Failure, Outcome, localized, say};

/// Arguments of `seoham init`; the rest it asks for.
#[derive(Args)]
pub struct InitArgs {
    #[command(flatten)]
    platform: PlatformArgs,
    /// Keep the profile without trying it against the platform.
    #[arg(long)]
    untested: bool,
}

/// Runs the command.
pub async fn run(args: &InitArgs) -> Outcome {
    let platform = &args.platform;
    let file = platform.file()?;
    let mut profiles = Profiles::read(&file)?;
    let name = platform.profile.clone().unwrap_or_else(|| DEFAULT.to_owned());
    let before = profiles.profiles.get(&name).cloned();
    let url = match &platform.url {
        Some(url) => url.clone(),
        None => ask(
            &localized("플랫폼 주소", "The platform's address"),
            "--url",
            before.as_ref().map(|p| p.url.clone()),
        )?,
    };
    let access_token = match &platform.token_file {
        Some(_) => {
            PlatformArgs { url: Some(String::new()), contract: Some(String::new()), ..platform.clone() }
                .resolve()?
                .access_token
        }
        None => ask_secret(
            &localized("접근 토큰(보이지 않습니다)", "The access token (not shown)"),
            "--token-file",
        )?,
    };
    let contract_uuid = match &platform.contract {
        Some(contract) => contract.clone(),
        None => ask(
            &localized("계약 번호(CON-…)", "The contract (CON-…)"),
            "--contract",
            before.as_ref().map(|p| p.contract_uuid.clone()),
        )?,
    };
    let profile = Profile { url, bulk_url: platform.bulk_url.clone(), access_token, contract_uuid };
    let client = platform.client(&profile)?;
    if !args.untested {
        let known = client.capabilities().await.map_err(|error| stopped(&error))?;
        say(&localized(
            "주소, 접근 토큰, 계약을 확인했습니다(시험 전송, 접수된 문서 없음).",
            "Address, token and contract are right (tried with a dry run; nothing was accepted).",
        ));
        if let Some(product) = known.product {
            say(&described(product));
        }
        if !known.idempotency_key {
            say(&localized(
                "이 서버는 Idempotency-Key를 모릅니다. 응답을 잃은 요청은 자동으로 다시 보내지 않습니다.",
                "This platform knows no Idempotency-Key: a request whose answer is lost is not sent again by itself.",
            ));
        }
    }
    profiles.profiles.insert(name.clone(), profile);
    profiles.write(&file).map_err(|error| Failure::of_file(&file, &error, Failure::Unfinished))?;
    let shown = file.display();
    say(&localized(
        &format!("{shown}에 '{name}' 프로필을 저장했습니다(0600)."),
        &format!("Profile {name:?} is kept in {shown}, mode 0600."),
    ));
    Ok(ExitCode::SUCCESS)
}

fn ask(question: &str, flag: &str, usual: Option<String>) -> Outcome<String> {
    may_ask(flag)?;
    let mut input = Input::<String>::new().with_prompt(question);
    if let Some(usual) = usual {
        input = input.default(usual);
    }
    input.interact_text().map(|text| text.trim().to_owned()).map_err(|e| not_asked(&e, flag))
}

fn ask_secret(question: &str, flag: &str) -> Outcome<String> {
    may_ask(flag)?;
    let answer = Password::new().with_prompt(question).interact();
    answer.map(|text| text.trim().to_owned()).map_err(|e| not_asked(&e, flag))
}

fn may_ask(flag: &str) -> Outcome<()> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage(
        format!("물어볼 터미널이 없습니다. {flag}로 정해 주십시오"),
        format!("there is no terminal to ask at; give {flag}"),
    ))
}

fn not_asked(error: &dialoguer::Error, flag: &str) -> Failure {
    Failure::usage(format!("{flag}: {error}"), format!("{flag}: {error}"))
}
