use clap::Parser;
#[derive(Parser)]
struct A {
    #[command(flatten)]
    a: msv::cli::simulate::SimulateArgs,
}
fn main() {
    match msv::cli::simulate::run(&A::parse().a) {
        Ok(s) => println!("{s}"),
        Err(d) => {
            eprintln!("{d}");
            std::process::exit(2)
        }
    }
}
