// `postern doctor`: what is wrong between the database, PostgREST and the Worker's settings, with what mends it.
import { type Command, Option } from "commander";
import { type DiagnoseOptions, diagnose } from "../doctor/diagnose.ts";
import { asText } from "../doctor/print.ts";

export function addDoctor(postern: Command): void {
	postern
		.command("doctor")
		.description(
			"find what is wrong between the database, PostgREST and the Worker's settings, and print what mends it; fails where something is wrong",
		)
		.option(
			"--config <file>",
			"the Worker's configuration (default: wrangler.jsonc)",
		)
		.option("--env <name>", "an environment of the Worker's configuration")
		.addOption(
			new Option(
				"--origin <url>",
				"where PostgREST is seen from here (default: the Worker's ORIGIN_URL)",
			).env("ORIGIN_URL"),
		)
		.addOption(
			new Option(
				"--database <url>",
				"the database, as the owner of its tables (without: only what PostgREST shows is checked)",
			).env("DATABASE_URL"),
		)
		.option("--token <jwt>", "a caller's token: find out why it is refused")
		.option("--json", "print JSON")
		.action(doctor);
}

async function doctor({
	json,
	...options
}: DiagnoseOptions & { json?: true }): Promise<void> {
	const report = await diagnose(options);
	console.log(json ? JSON.stringify(report, null, 2) : asText(report));
	const { length } = report.wrong;
	if (length > 0)
		throw new Error(
			`${length} ${length === 1 ? "thing is" : "things are"} wrong.`,
		);
}
