// A Postgres of a benchmark's own, empty.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../gateway/cli/stack/ports.ts";
import { startPostgres } from "../gateway/cli/stack/postgres.ts";

/** @returns `directory` for the benchmark's files as well: `stop` removes it */
export async function startBenchPostgres() {
	const directory = await mkdtemp(join(tmpdir(), "postern-bench-"));
	// If root runs this, Postgres runs as another user.
	await chmod(directory, 0o755);
	const { url, pid, stop } = await startPostgres({
		dataDirectory: join(directory, "postgres"),
		port: await freePort(),
		password: "bench",
		log: () => {},
	});
	return {
		directory,
		url,
		pid,
		async stop() {
			await stop();
			await rm(directory, { recursive: true, force: true });
		},
	};
}
