// `postern analyze`: what functions read whose body is text.
import type { Command } from "commander";
import { analyze } from "../analyze.ts";
import { type DatabaseOptions, databaseOf, withDatabase } from "../options.ts";

interface Options extends DatabaseOptions {
	schemas?: string[];
	extraSearchPath?: string[];
}

export function addAnalyze(postern: Command): void {
	withDatabase(postern.command("analyze"))
		.description(
			"find out what functions read, those in PL/pgSQL as well, and print the ones that are not understood; to be run again when such a function changes",
		)
		.option(
			"--schemas <names...>",
			"PostgREST's db-schemas, where they are not guessed right",
		)
		.option(
			"--extra-search-path <names...>",
			"PostgREST's db-extra-search-path (with --schemas; its default is public)",
		)
		.action(async (options: Options) => {
			const remaining = await analyze(await databaseOf(options), options);
			for (const { name, reason } of remaining)
				console.log(`${name}: ${reason}`);
		});
}
