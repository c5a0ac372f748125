// `postern migrate`: brings the gateway's own schema in a database up to date.
import type { Command } from "commander";
import { analyze } from "../analyze.ts";
import { migrate } from "../migrate.ts";
import {
	accountsOption,
	type DatabaseOptions,
	databaseOf,
	withDatabase,
} from "../options.ts";

export function addMigrate(postern: Command): void {
	withDatabase(postern.command("migrate"))
		.description("bring the gateway's own schema in the database up to date")
		.addOption(accountsOption())
		.action(async (options: DatabaseOptions & { accounts?: true }) => {
			const databaseUrl = await databaseOf(options);
			const { accounts } = options;
			await migrate({ databaseUrl, accounts, log: console.error });
			await analyze(databaseUrl);
			console.log("The gateway's schema is up to date.");
		});
}
