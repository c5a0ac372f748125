// `npm start` and `npm run worker` as a person runs them: they start, the printed curls work as pasted, and no process is
// left after any signal.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import {
	afterAll,
	afterEach,
	beforeAll,
	describe,
	expect,
	it,
	vi,
} from "vitest";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { type Clone, makeClone } from "../support/clone.ts";
import { PROJECT } from "../support/project.ts";

const execute = promisify(execFile);

/** A start takes seconds, and on a busy machine a minute. */
const START_TIMEOUT_MS = 120_000;
vi.setConfig({ testTimeout: 3 * START_TIMEOUT_MS });

let clone: string;
let environment: NodeJS.ProcessEnv;
let remove: Clone["remove"];
let started: ChildProcess | undefined;

beforeAll(async () => {
	({ directory: clone, environment, remove } = await makeClone());
	await shell("npm run env");
});

/** What a failed test left is no failure of the next one. */
async function killWhatIsLeft(): Promise<void> {
	for (const { pid } of await processesOfClone()) {
		try {
			process.kill(Number(pid), "SIGKILL");
		} catch {
			// It ended by itself.
		}
	}
}

afterAll(() => remove());

/** The README requires nothing but Node and npm. */
const hasCurl = await execute("curl", ["--version"]).then(
	() => true,
	() => {
		console.log("What is tried with curl is skipped: this machine has none.");
		return false;
	},
);

describe("npm start", () => {
	let output: string;
	beforeAll(async () => {
		output = await start();
	}, START_TIMEOUT_MS);
	afterAll(killWhatIsLeft);

	it.runIf(hasCurl)("answers the two curls it prints", async () => {
		const curls = output.match(/^ {2}curl .*$/gm) ?? [];
		expect(curls).toHaveLength(2);
		for (const curl of curls) {
			const { stdout } = await shell(curl);
			expect(stdout).toMatch(/^HTTP\/1.1 200 .*\r\n\r\n\[\{"/s);
		}
	});

	it.runIf(hasCurl)("goes through the sessions of the resources", async () => {
		const session = `sh test/install/sessions.sh http://localhost:$POSTERN_PORT "$(npm run --silent token -- --sub me)"`;
		const { stdout } = await shell(session);
		expect(stdout).toMatch(/GET \/users\/todos\/.*\n {2}404 .*\n$/);
	});

	it("tells everybody why an answer is or is not cached", async () => {
		const url = `http://localhost:${environment.POSTERN_PORT}/rest/v1/products`;
		const { headers } = await fetch(url, {
			headers: { "Postern-Explain": "1" },
		});
		expect(JSON.parse(headers.get("Postern-Explain") ?? "")).toMatchObject({
			tags: expect.arrayContaining(["api.products"]),
		});
	});

	it("leaves no process behind after Ctrl-C", async () => {
		// Wrangler may add where its own log is.
		expect(await ctrlC()).toMatch(
			/\n\nstopping\n(?:.*Logs were written.*\n)?$/,
		);
		await nothingIsLeft();
	});
});

/** The killed process, and the signal. npm forwards SIGTERM and SIGINT to the shell that runs the script, and no other signal. */
const ENDS = [
	["npm", "SIGTERM"],
	["npm", "SIGKILL"],
	["sh", "SIGTERM"],
	["postern", "SIGTERM"],
	["postern", "SIGHUP"],
	["postern", "SIGKILL"],
	["wrangler", "SIGKILL"],
] as const;

describe("a start of the test's own", () => {
	afterEach(killWhatIsLeft);

	it.each(ENDS)(
		"leaves no process of `npm run worker` behind when %s gets %s",
		async (who, signal) => {
			await start("worker");
			process.kill(await processIdOf(who), signal);
			await nothingIsLeft();
			await portIsFree(Number(environment.POSTERN_PORT));
		},
	);

	it.each([
		["npm", "SIGTERM"],
		["postern", "SIGKILL"],
	] as const)(
		"leaves no process of `npm start` behind when %s gets %s",
		async (who, signal) => {
			await start();
			process.kill(await processIdOf(who), signal);
			await nothingIsLeft();
			for (const name of ["POSTERN_PORT", "POSTGREST_PORT", "POSTGRES_PORT"])
				await portIsFree(Number(environment[name]));
		},
	);

	it("ends its processes even when the process that ends them was killed first", async () => {
		await start("worker");
		const reaper = await processIdOf("reaper");
		process.kill(reaper, "SIGKILL");
		await expect
			.poll(() => processIdOf("reaper"))
			.toSatisfy((pid) => pid > 0 && pid !== reaper);
		process.kill(await processIdOf("postern"), "SIGKILL");
		await nothingIsLeft();
	});

	it("stops everything and gives the reason when one of its processes dies", async () => {
		await start();
		process.kill(await processIdOf("postgres"), "SIGKILL");
		expect((await ended()).code).toBe(1);
		expect(reason()).toMatch(/^error: postgres ended \(SIGKILL\).*$/);
		await nothingIsLeft();
	});

	it("keeps the data over a restart, and deletes it with --fresh", async () => {
		await start();
		const rescue = await createRescue();
		await ctrlC();
		await start();
		expect(await statusOf(rescue)).toBe(200);
		await ctrlC();
		await start("start", "--fresh");
		expect(await statusOf(rescue)).toBe(404);
		await ctrlC();
	});

	it("names a port that is taken", async () => {
		const port = Number(environment.POSTGREST_PORT);
		const server = createServer().listen(port, LOOPBACK);
		await once(server, "listening");
		const said = await failure();
		server.close();
		expect(said).toBe(
			`error: Port ${port} is taken by another program: stop that one, or choose another port by --postgrest-port.`,
		);
	});

	it("names a setting that is not a port", async () => {
		expect(await failure({ POSTERN_PORT: "http" }, 2)).toBe(
			"error: option '--port <number>' value 'http' from env 'POSTERN_PORT' is invalid. It has to be a port, 1 to 65535.",
		);
	});

	it("says that PostgREST is missing", async () => {
		expect(await failure({ POSTGREST_BIN: "/nowhere/postgrest" })).toBe(
			"error: POSTGREST_BIN names /nowhere/postgrest, and there is nothing.",
		);
	});

	it("says that POSTGRES_BIN has no Postgres", async () => {
		expect(await failure({ POSTGRES_BIN: "/nowhere/bin" })).toBe(
			"error: POSTGRES_BIN names /nowhere/bin, and there is no postgres.",
		);
	});

	it("says that another version of Postgres made the data", async () => {
		const file = join(clone, ".postern", "postgres", "PG_VERSION");
		const version = await readFile(file, "utf8");
		await writeFile(file, "9.6\n");
		expect(await failure()).toMatch(
			/^error: The data in .* is of Postgres 9\.6, this is Postgres \d+: --fresh deletes it\.$/,
		);
		await writeFile(file, version);
	});

	it("says that the data was made with another password", async () => {
		const file = join(clone, ".env");
		const before = await readFile(file, "utf8");
		await writeFile(
			file,
			before.replace(/(POSTGRES_PASSWORD=').*(')/, "$1other$2"),
		);
		expect(await failure()).toBe(
			"error: The database was made with another POSTGRES_PASSWORD than the one in .env: put that back, or delete the data by --fresh.",
		);
		await writeFile(file, before);
	});

	it("names the variables that .env lacks", async () => {
		const file = join(clone, ".env");
		const before = await readFile(file, "utf8");
		await writeFile(file, before.replace(/TOKEN_JWKS=.*/, ""));
		expect(await failure()).toContain("lacks TOKEN_JWKS.");
		await writeFile(file, before);
	});

	it("accepts passwords with any character", async () => {
		const file = join(clone, ".env");
		const before = await readFile(file, "utf8");
		await writeFile(
			file,
			before.replaceAll(/(_PASSWORD=').*(')/g, "$1p@ss/w#rd%2 x$2"),
		);
		await start("start", "--fresh");
		const { stdout } = await shell(
			"npm run --silent key -- create robot --role service",
		);
		expect(stdout).toMatch(/^postern_secret_/);
		await ctrlC();
		await writeFile(file, before);
	});

	it("has passwords in no URL of docker-compose.yml, which cannot encode them", async () => {
		const compose = await readFile(join(PROJECT, "docker-compose.yml"), "utf8");
		expect(compose).toMatch(/PGPASSWORD: \$\{AUTHENTICATOR_PASSWORD/);
		expect(compose).not.toMatch(/:\/\/\S*PASSWORD/);
	});
});

/** Runs an npm script as a terminal does until it reports that it is up; returns its output. */
async function start(script = "start", ...args: string[]): Promise<string> {
	const output = launch(script, args);
	await vi.waitFor(
		() => expect(!isRunning() || /Ctrl-C stops/.test(output())).toBe(true),
		{ timeout: START_TIMEOUT_MS },
	);
	expect(isRunning(), output()).toBe(true);
	return output();
}

/** The reason that a failing start prints. */
async function failure(
	overrides: NodeJS.ProcessEnv = {},
	code = 1,
): Promise<string> {
	launch("start", [], overrides);
	expect((await ended()).code).toBe(code);
	await nothingIsLeft();
	return reason();
}

/** The last start's standard error without npm's own lines. */
function reason(): string {
	return complaints.replaceAll(/^npm .*$/gm, "").trim();
}

/** The output of the last start, and the part of it on standard error. */
let printed = "";
let complaints = "";

function launch(
	script: string,
	args: string[],
	overrides: NodeJS.ProcessEnv = {},
): () => string {
	printed = "";
	complaints = "";
	const child = spawn("npm", ["run", script, "--", ...args], {
		cwd: clone,
		env: { ...environment, ...overrides },
		// Its own process group, as a shell gives to a foreground job.
		detached: true,
		stdio: ["ignore", "pipe", "pipe"],
	});
	child.stdout.on("data", (chunk) => {
		printed += chunk;
	});
	child.stderr.on("data", (chunk) => {
		printed += chunk;
		complaints += chunk;
	});
	started = child;
	return () => printed;
}

/** Sends SIGINT to the foreground process group, as a terminal does on Ctrl-C. Returns the whole output. */
async function ctrlC(): Promise<string> {
	kill("SIGINT");
	return (await ended()).output;
}

async function ended(): Promise<{ code: number | null; output: string }> {
	if (started !== undefined && isRunning()) await once(started, "close");
	return { code: started?.exitCode ?? null, output: printed };
}

function isRunning(): boolean {
	return started?.exitCode === null && started.signalCode === null;
}

function kill(signal: NodeJS.Signals) {
	if (started?.pid !== undefined) process.kill(-started.pid, signal);
}

/** Waits until no process is left: the last one may take a moment to end. */
async function nothingIsLeft(): Promise<void> {
	await expect.poll(processesOfClone, { timeout: 15_000 }).toEqual([]);
}

async function portIsFree(port: number): Promise<void> {
	const server = createServer().listen(port, LOOPBACK);
	await once(server, "listening");
	server.close();
	await once(server, "close");
}

const COMMANDS = {
	npm: /^npm run /,
	sh: /^sh -c /,
	postern: /^node gateway\/cli\/postern\.ts /,
	wrangler: /\/wrangler\/bin\/wrangler\.js /,
	reaper: /\/reaper\.ts /,
	postgres: /\/bin\/postgres -D/,
};

async function processIdOf(who: keyof typeof COMMANDS): Promise<number> {
	const found = (await processesOfClone()).find(({ command }) =>
		COMMANDS[who].test(command),
	);
	return Number(found?.pid);
}

/** Every process with the clone or one of its ports in its command or environment. */
async function processesOfClone(): Promise<{ pid: string; command: string }[]> {
	const marks = [
		clone,
		`POSTERN_PORT=${environment.POSTERN_PORT}`,
		`PGRST_SERVER_PORT=${environment.POSTGREST_PORT}`,
	];
	return (await allProcesses()).filter(
		({ pid, command }) =>
			marks.some((mark) => command.includes(mark)) &&
			pid !== String(process.pid),
	);
}

/** Each process with its environment after its command. */
async function allProcesses(): Promise<{ pid: string; command: string }[]> {
	if (process.platform !== "linux") {
		const { stdout } = await execute("ps", ["axeww", "-o", "pid=,command="]);
		return stdout.split("\n").map((line) => {
			const [pid = "", ...words] = line.trim().split(/\s+/);
			return { pid, command: words.join(" ") };
		});
	}
	// A small Linux has no ps.
	const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
	return Promise.all(
		pids.map(async (pid) => {
			const texts = ["cmdline", "environ"].map((name) =>
				// The process may have ended, or belong to another user.
				readFile(join("/proc", pid, name), "utf8").catch(() => ""),
			);
			const command = (await Promise.all(texts)).join(" ");
			return { pid, command: command.replaceAll("\0", " ") };
		}),
	);
}

function shell(command: string): Promise<{ stdout: string }> {
	return execute("sh", ["-c", command], { cwd: clone, env: environment });
}

/** Returns where it is. */
async function createRescue(): Promise<string> {
	const { stdout } = await shell("npm run --silent token -- --sub me");
	const response = await fetch(`${gateway()}/rescues`, {
		method: "POST",
		headers: {
			authorization: `Bearer ${stdout.trim()}`,
			"content-type": "application/json",
		},
		body: JSON.stringify({ name: "Pepper", age: 4, species: "dog" }),
	});
	return response.headers.get("location") ?? "";
}

function gateway(): string {
	return `http://${LOOPBACK}:${environment.POSTERN_PORT}`;
}

async function statusOf(path: string): Promise<number> {
	return (await fetch(gateway() + path)).status;
}
