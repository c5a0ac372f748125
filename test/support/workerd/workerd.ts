// The Worker's bundle in one workerd process, without wrangler: for tests and measurements.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runInNewContext } from "node:vm";
import { LOOPBACK } from "../../../gateway/cli/stack/ports.ts";
import {
	type Log,
	type Service,
	startService,
	untilReady,
} from "../../../gateway/cli/stack/service.ts";
import {
	isHealthy,
	type WorkerVariables,
	wrangler,
} from "../../../gateway/cli/stack/wrangler.ts";
import { WRANGLER_CONFIG } from "../project.ts";
import { type Kv, startKv } from "./kv.ts";
import {
	type Companion,
	moduleFile,
	type WorkerSettings,
	workerdConfig,
} from "./workerd-config.ts";

interface WorkerdOptions {
	port: number;
	variables: WorkerVariables;
	log: Log;
	/** The result of `bundleWorker`. */
	bundle: string;
	/** Servers of KV namespaces, host and port by the name of the binding. By default each namespace gets one that ends with the process. */
	kv?: Readonly<Record<string, string>>;
	/** The folder of the Durable Objects' storage. By default it is deleted with the process. */
	storageDirectory?: string;
	/** Of further Workers with the same bundle, each an isolate of its own in the same process. */
	morePorts?: readonly number[];
	/** Other Workers in the same process. */
	companions?: readonly Companion[];
	/** The companion that has the classes of the Worker's Durable Objects in the Worker's place. */
	objectsIn?: string;
	/** Where V8's inspector listens, for what the heap holds. */
	inspectorPort?: number;
}

/** Runs a bundle in one workerd process, with the bindings of wrangler.jsonc that workerd has itself: variables, KV, Durable Objects. */
export async function startWorkerd({
	port,
	variables,
	bundle,
	log,
	kv: givenKv = {},
	storageDirectory,
	morePorts = [],
	companions = [],
	objectsIn,
	inspectorPort,
}: WorkerdOptions): Promise<Service & { url: string }> {
	const directory = await mkdtemp(join(tmpdir(), "postern-workerd-"));
	const { settings, vars } = await wranglerConfig();
	const all = { ...vars, ...variables };
	const { kv, stopKv } = await withKv(settings.kvNamespaces, givenKv);
	const storage = storageDirectory ?? join(directory, "storage");
	await mkdir(storage, { recursive: true });
	await writeFile(join(directory, moduleFile()), bundle);
	for (const { name, source } of companions) {
		await writeFile(join(directory, moduleFile(name)), source);
	}
	await writeFile(
		join(directory, "config.capnp"),
		workerdConfig({
			...{ port, morePorts },
			settings,
			variables: Object.keys(all),
			kv,
			storageDirectory: storage,
			companions,
			objectsIn,
		}),
	);
	const service = startService({
		command: workerdBinary(),
		args: [
			"serve",
			join(directory, "config.capnp"),
			...(inspectorPort === undefined
				? []
				: [`--inspector-addr=${LOOPBACK}:${inspectorPort}`]),
		],
		env: { ...process.env, ...all },
		stopSignal: "SIGTERM",
		log,
	});
	const exited = service.exited.then(async (exit) => {
		await stopKv();
		await rm(directory, { recursive: true, force: true });
		return exit;
	});
	const url = `http://${LOOPBACK}:${port}`;
	await untilReady("workerd", service, () => isHealthy(url));
	return {
		...service,
		url,
		exited,
		async stop() {
			await service.stop();
			await exited;
		},
	};
}

/** A server for each KV namespace that was not given one. */
async function withKv(
	namespaces: readonly string[],
	given: Readonly<Record<string, string>>,
) {
	const kv: Record<string, string> = {};
	const started: Kv[] = [];
	for (const name of namespaces) {
		const address = given[name];
		const own = address === undefined ? await startKv() : undefined;
		if (own !== undefined) started.push(own);
		kv[name] = address ?? own?.address ?? "";
	}
	return {
		kv,
		async stopKv() {
			for (const own of started) await own.stop();
		},
	};
}

/** The part of wrangler.jsonc that this file reads. */
interface WranglerConfig {
	compatibility_date: string;
	compatibility_flags: string[];
	vars: WorkerVariables;
	kv_namespaces: { binding: string }[];
	durable_objects: { bindings: { name: string; class_name: string }[] };
}

/** The Worker's part of wrangler.jsonc, read without wrangler, which takes seconds to load: JSON with comments is JavaScript. */
async function wranglerConfig(): Promise<{
	settings: WorkerSettings;
	vars: WorkerVariables;
}> {
	const text = await readFile(WRANGLER_CONFIG, "utf8");
	const config: WranglerConfig = runInNewContext(`(${text})`);
	return {
		settings: {
			compatibilityDate: config.compatibility_date,
			compatibilityFlags: config.compatibility_flags,
			kvNamespaces: config.kv_namespaces.map(({ binding }) => binding),
			durableObjects: config.durable_objects.bindings.map(
				({ name, class_name }) => ({ binding: name, className: class_name }),
			),
		},
		vars: config.vars,
	};
}

/** The path of the workerd that wrangler runs; another package may install a different one. */
function workerdBinary(): string {
	const packageFile = createRequire(wrangler()).resolve("workerd/package.json");
	return join(dirname(packageFile), "bin", "workerd");
}
