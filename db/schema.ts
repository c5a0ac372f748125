// `npm run schema`: writes db/schema.sql, the dump of a freshly migrated database. See db/README.md for what it needs.

import { writeFile } from "node:fs/promises";
import { startTestDatabase } from "../gateway/test/sql/support/server.ts";
import { dumpSchema, SCHEMA_FILE } from "./test/support/dump.ts";
import { prepareExample } from "./test/support/setup.ts";

const database = await startTestDatabase(prepareExample);
try {
	const dump = await dumpSchema(database.ownerUrl);
	if ("unavailable" in dump) {
		console.error(`db/schema.sql is not written: ${dump.unavailable}`);
		process.exitCode = 1;
	} else {
		await writeFile(SCHEMA_FILE, dump.schema);
		console.log("db/schema.sql is written");
	}
} finally {
	await database.stop();
}
