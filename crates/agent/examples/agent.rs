//! The agent as a program of its own, for tests:
//! `agent agent --data-dir DIR [--listen ADDR] [--auto] [--idle-exit-ms N] [--ceiling BYTES]`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use forksight_agent::{AUTO_IDLE, Config, run};

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let mut arguments = std::env::args().skip(1);
    let mut config = Config::new(PathBuf::new());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value");
        match argument.as_str() {
            "agent" => {}
            "--data-dir" => config.data_dir = value().into(),
            "--listen" => config.listen = Some(value().parse().expect("an address")),
            "--auto" => config.idle_exit = Some(AUTO_IDLE),
            "--idle-exit-ms" => {
                config.idle_exit = Some(Duration::from_millis(value().parse().expect("a number")));
            }
            "--ceiling" => config.policy.ceiling_bytes = value().parse().expect("a number"),
            other => panic!("unknown argument {other}"),
        }
    }
    match run(&config, |ready| println!("{}", ready.endpoint.http)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
