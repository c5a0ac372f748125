// The text of a workerd configuration: the Worker with the bindings of wrangler.jsonc, and its companions.
import { LOOPBACK } from "../../../gateway/cli/stack/ports.ts";

/** The parts of wrangler.jsonc that workerd needs. */
export interface WorkerSettings {
	readonly compatibilityDate: string;
	readonly compatibilityFlags: readonly string[];
	readonly kvNamespaces: readonly string[];
	readonly durableObjects: readonly { binding: string; className: string }[];
}

/** Another Worker in the same process. It has the Worker's Durable Objects as bindings, under the same names. */
export interface Companion {
	readonly name: string;
	/** One ES module. */
	readonly source: string;
	/** The address that it listens at, if any. */
	readonly port?: number;
	/** Host and port of HTTP servers, by the name of the binding. */
	readonly servers?: Readonly<Record<string, string>>;
}

interface WorkerdLayout {
	readonly port: number;
	/** Of further Workers with the same bundle and bindings, each an isolate of its own. Their objects are the first one's. */
	readonly morePorts: readonly number[];
	readonly settings: WorkerSettings;
	/** Names of variables from the environment of the process. */
	readonly variables: readonly string[];
	/** Host and port of the server for each KV namespace, by the name of the binding. */
	readonly kv: Readonly<Record<string, string>>;
	/** Folder of the Durable Objects' storage. */
	readonly storageDirectory: string;
	readonly companions: readonly Companion[];
	/** The companion that has the classes of the Worker's Durable Objects in the Worker's place. */
	readonly objectsIn: string | undefined;
}

const WORKER = "postern";

/** The module of the Worker and of each companion, next to the configuration. */
export function moduleFile(name = WORKER): string {
	return `${name}.js`;
}

function another(port: number): string {
	return `${WORKER} at ${port}`;
}

/** workerd's own workerd.capnp describes the format. */
export function workerdConfig(layout: WorkerdLayout): string {
	const { port, morePorts, variables, kv, companions } = layout;
	const { storageDirectory } = layout;
	const bindings = [
		...variables.map((name) => binding(name, "fromEnvironment", text(name))),
		...Object.keys(kv).map((name) =>
			binding(name, "kvNamespace", text(`kv ${name}`)),
		),
	];
	const workers = [
		workerService(layout, WORKER, bindings),
		...morePorts.map((port) =>
			workerService(layout, another(port), bindings, WORKER),
		),
		...companions.map(({ name, servers = {} }) =>
			workerService(
				layout,
				name,
				Object.keys(servers).map((server) =>
					binding(server, "service", text(`${name} ${server}`)),
				),
			),
		),
	];
	const servers = [
		...Object.entries(kv).map(([name, address]) =>
			external(`kv ${name}`, address),
		),
		...companions.flatMap(({ name, servers = {} }) =>
			Object.entries(servers).map(([server, address]) =>
				external(`${name} ${server}`, address),
			),
		),
	];
	const sockets = [
		socket(WORKER, port),
		...morePorts.map((port) => socket(another(port), port)),
		...companions.flatMap(({ name, port }) =>
			port === undefined ? [] : [socket(name, port)],
		),
	];
	return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "internet", network = (allow = ["public", "private", "local"])),
    (name = "storage", disk = (path = ${text(storageDirectory)}, writable = true)),
    ${[...servers, ...workers].join(",\n    ")},
  ],
  sockets = [${sockets.join(", ")}],
);
`;
}

function workerService(
	{ settings, objectsIn = WORKER }: WorkerdLayout,
	name: string,
	bindings: readonly string[],
	module = name,
): string {
	const objects = settings.durableObjects.map(({ binding: bound, className }) =>
		binding(
			bound,
			"durableObjectNamespace",
			`(className = ${text(className)}, serviceName = ${text(objectsIn)})`,
		),
	);
	const classes = name === objectsIn ? settings.durableObjects : [];
	const namespaces = classes.map(
		({ className }) =>
			`(className = ${text(className)}, uniqueKey = ${text(`${WORKER}-${className}`)}, enableSql = true)`,
	);
	return `(name = ${text(name)}, worker = (
      modules = [(name = ${text(moduleFile(module))}, esModule = embed ${text(moduleFile(module))})],
      compatibilityDate = ${text(settings.compatibilityDate)},
      compatibilityFlags = ${JSON.stringify(settings.compatibilityFlags)},
      bindings = [${[...bindings, ...objects].join(", ")}],
      durableObjectNamespaces = [${namespaces.join(", ")}],
      durableObjectStorage = (localDisk = "storage"),
      globalOutbound = "internet",
    ))`;
}

function binding(name: string, kind: string, value: string): string {
	return `(name = ${text(name)}, ${kind} = ${value})`;
}

function external(name: string, address: string): string {
	return `(name = ${text(name)}, external = (address = ${text(address)}, http = ()))`;
}

function socket(service: string, port: number): string {
	return `(name = ${text(service)}, address = ${text(`${LOOPBACK}:${port}`)}, http = (), service = ${text(service)})`;
}

function text(value: string): string {
	return JSON.stringify(value);
}
