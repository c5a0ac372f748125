// A copy of the project with its own ports, as a clone is after `npm ci`: for the tests that run `npm start` itself.
import { chmod, cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../gateway/cli/stack/ports.ts";
import { PROJECT } from "./project.ts";

export interface Clone {
	readonly directory: string;
	/** The environment for commands in the directory. */
	readonly environment: NodeJS.ProcessEnv;
	remove(): Promise<void>;
}

/** Files that a clone does not have, because commands make them. */
const MADE = [".wrangler", join("docs", "swagger-ui"), "node_modules", "dist"];

export async function makeClone(): Promise<Clone> {
	const directory = await mkdtemp(join(tmpdir(), "postern-clone-"));
	// If root runs this, Postgres's own user has to be able to enter.
	await chmod(directory, 0o755);
	for (const name of ["package.json", "gateway", "db", "worker", "test"]) {
		await cp(join(PROJECT, name), join(directory, name), {
			recursive: true,
			filter: (path) => !MADE.some((made) => path.includes(made)),
		});
	}
	await symlink(join(PROJECT, "node_modules"), join(directory, "node_modules"));
	return {
		directory,
		environment: {
			...process.env,
			POSTERN_PORT: String(await freePort()),
			POSTGREST_PORT: String(await freePort()),
			POSTGRES_PORT: String(await freePort()),
		},
		remove: () => rm(directory, { recursive: true, force: true }),
	};
}
