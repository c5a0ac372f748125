// `postern track`: has the changes of tables written to the outbox, so that answers from them can be cached.
import type { Command } from "commander";
import { type DatabaseOptions, databaseOf, withDatabase } from "../options.ts";
import { track } from "../track.ts";

interface Options extends DatabaseOptions {
	schema?: string[];
	maxStaleness?: string;
	untrack?: true;
}

export function addTrack(postern: Command): void {
	const command = withDatabase(postern.command("track"))
		.description(
			"write the changes of tables to the outbox, so that what is read from them can be cached; one table after the other, without holding up writers",
		)
		.argument("[tables...]", "such as api.products")
		.option(
			"--schema <names...>",
			"every table of these schemas, and each that is created in them later",
		)
		.option(
			"--max-staleness <interval>",
			"the age of the oldest allowed answer, such as '2 seconds' (default: as before, or the Worker's)",
		)
		.option("--untrack", "end the tracking")
		.action(async (relations: string[], options: Options) => {
			const { schema: schemas = [], maxStaleness, untrack } = options;
			if (relations.length + schemas.length === 0)
				command.error("error: name tables, or --schema", { exitCode: 2 });
			await track({
				databaseUrl: await databaseOf(options),
				relations,
				schemas,
				maxStaleness,
				untrack,
				log: console.error,
			});
		});
}
