//! The institution's own client with a spreadsheet, compared with the load generator and the same documents.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Run;
use crate::Arguments;
use crate::figures::Figure;
use crate::load::{Load, drive};
use crate::node::{binary, cpu_seconds, person};

pub(crate) async fn measure(run: &mut Run<'_>) -> Result<()> {
    let arguments = run.arguments;
    let load = Load::new(&run.targets[..1], 16, &run.bodies, run.duration());
    let generator = drive(&run.platform, &load).await?;
    run.platform.settle().await?;
    let (gateway, target) = (&run.platform.gateways[0], &run.targets[0]);

    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("token"), &target.access_token)?;
    std::fs::set_permissions(path("token"), std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    std::fs::write(path("rows.csv"), table(arguments))?;
    let started = Instant::now();
    let mut child = Command::new(binary()?)
        .args(["send", "rows.csv", "--json", "--yes", "--again", "--token-file", "token"])
        .args(["--url", gateway.url("api"), "--bulk-url", gateway.url("bulk")])
        .args(["--contract", &target.contract_uuid])
        .args(["--set", "title=2026년 제2기분 자동차세 고지서", "--set", "read_expired_sec=2592000"])
        .args(["--set", "common_categories=BILL_PAY", "--set", "link=https://tax.example.kr/car?bill=2026-2"])
        .args(["--set", "cs_number=02-000-0000", "--set", "cs_name=세무과"])
        .args(["--set", "message=2026년 제2기분 자동차세가 부과되었습니다.\n납부기한은 12월 31일입니다."])
        .args(["--set", "payload=amount={{금액}}"])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .context("seoham send")?;
    let output = BufReader::new(child.stdout.take().context("its output")?);
    let lines = std::thread::spawn(move || output.lines().map_while(Result::ok).collect::<Vec<_>>());
    let (mut peak_mib, mut cpu) = (0, 0.0_f64);
    let status = loop {
        peak_mib = peak_mib.max(peak(child.id()));
        cpu = cpu.max(cpu_seconds(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let seconds = started.elapsed().as_secs_f64();
    let events: Vec<Value> = lines
        .join()
        .map_err(|_| anyhow::anyhow!("its output"))?
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let event = |name: &str| events.iter().rev().find(|event| event["event"] == name);
    let (Some(end), true) = (event("finished"), status.success()) else { bail!("seoham send: {events:?}") };
    let accepted = end["accepted"].as_u64().unwrap_or(0);
    anyhow::ensure!(accepted == u64::from(arguments.rows), "seoham send: {end}");
    let per_second = event("progress").and_then(|e| e["per_second"].as_f64()).context("its rate")?;
    let what = format!(
        "seoham send while it sends ({} rows of CP949 in {seconds:.1} s, {:.1} µs of its processor a row, {peak_mib} MiB)",
        arguments.rows,
        cpu * 1e6 / f64::from(arguments.rows)
    );
    let figure = Figure::new(run.store(), what, per_second, "documents/s");
    run.add(figure.beside("the load generator", generator.per_second()));
    run.platform.settle().await
}

/// A table as Korean Excel writes it: CP949, with telephone numbers that lost their leading zero.
fn table(arguments: &Arguments) -> Vec<u8> {
    let mut text = "관리번호,전화번호,이름,생년월일,금액\r\n".to_owned();
    for row in 0..arguments.rows {
        let receiver = row.wrapping_mul(7_919) % arguments.people;
        let person = person(receiver);
        let shown = |name: &str| person[name].as_str().unwrap_or_default().to_owned();
        let phone_number = shown("phone_number");
        let _ = write!(
            text,
            "MEASURE-{row:08},{},{},{},{}\r\n",
            phone_number.trim_start_matches('0'),
            shown("name"),
            shown("birthday"),
            10_000 + receiver
        );
    }
    encoding_rs::EUC_KR.encode(&text).0.into_owned()
}

fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
}
