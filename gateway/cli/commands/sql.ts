// `postern sql`: prints what `postern migrate` would run, for those who use another migration tool.
import { type Command, Option } from "commander";
import { sqlText } from "../migrate.ts";
import { accountsOption, wholeNumber } from "../options.ts";

export function addSql(postern: Command): void {
	postern
		.command("sql")
		.description(
			"print the SQL of the gateway's own schema, to be run in one transaction",
		)
		.addOption(
			new Option(
				"--from <number>",
				"leave out the migrations up to this one, which were applied before",
			).argParser(wholeNumber),
		)
		.addOption(accountsOption())
		.action(async (options: { from?: number; accounts?: true }) => {
			process.stdout.write(await sqlText(options));
		});
}
