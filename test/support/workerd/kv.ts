// Workers KV for workerd: an HTTP server that speaks the protocol of its KV bindings and keeps values in
// memory, or wherever a test wants them. Never used by `wrangler dev`, which has its own.
import { once } from "node:events";
import {
	createServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { LOOPBACK } from "../../../gateway/cli/stack/ports.ts";

export interface KvEntry {
	readonly value: Buffer;
	/** JSON. */
	readonly metadata: string | undefined;
	/** Seconds since the Unix epoch. */
	readonly expiration: number | undefined;
}

/** The store of the values. It throws a KvFailure to answer with its status. */
export interface KvStorage {
	get(key: string): Promise<KvEntry | undefined>;
	put(key: string, entry: KvEntry): Promise<void>;
	delete(key: string): Promise<void>;
}

/** A failure of KV, such as 429 for a key written too often. */
export class KvFailure extends Error {
	override readonly name = "KvFailure";
	readonly status: number;

	constructor(status: number, message: string) {
		super(message);
		this.status = status;
	}
}

export interface Kv {
	/** Host and port. */
	readonly address: string;
	stop(): Promise<void>;
}

/** The minimums of Workers KV, in seconds. */
const MIN_CACHE_TTL = 30;
const MIN_EXPIRATION_TTL = 60;
const MAX_KEY_BYTES = 512;
const MAX_METADATA_BYTES = 1024;
const MAX_VALUE_BYTES = 25 * 1024 * 1024;
const MAX_BULK_KEYS = 100;

export async function startKv(
	storage: KvStorage = keptIn(new Map()),
): Promise<Kv> {
	const server = createServer((request, response) => {
		respond(storage, request, response).catch((error) => {
			const status = error instanceof KvFailure ? error.status : 500;
			response.writeHead(status).end(String(error));
		});
	});
	// Longer than workerd keeps a connection, so this side never closes an idle one.
	server.keepAliveTimeout = 600_000;
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		address: `${LOOPBACK}:${port}`,
		async stop() {
			if (!server.listening) return;
			server.close();
			server.closeAllConnections();
			await once(server, "close");
		},
	};
}

/** Keeps the values in a map. */
export function keptIn(entries: Map<string, KvEntry>): KvStorage {
	return {
		get: async (key) => entries.get(key),
		put: async (key, entry) => {
			entries.set(key, entry);
		},
		delete: async (key) => {
			entries.delete(key);
		},
	};
}

async function respond(
	storage: KvStorage,
	request: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const { pathname, searchParams } = new URL(request.url ?? "", "http://kv");
	const body = await bodyOf(request);
	if (request.method === "POST" && pathname === "/bulk/get") {
		response.end(JSON.stringify(await getMany(storage, JSON.parse(`${body}`))));
		return;
	}
	const key = keyIn(pathname, searchParams);
	switch (request.method) {
		case "GET": {
			checkCacheTtl(searchParams.get("cache_ttl"));
			const entry = await find(storage, key);
			if (entry === undefined) {
				// With a body, which workerd does not read, each such look-up would take a connection of its own.
				response.writeHead(404).end();
				return;
			}
			const { value, metadata, expiration } = entry;
			if (metadata !== undefined)
				response.setHeader("CF-KV-Metadata", toHeader(metadata));
			if (expiration !== undefined)
				response.setHeader("CF-Expiration", expiration);
			response.end(value);
			return;
		}
		case "PUT":
			await storage.put(key, {
				value: body,
				metadata: metadataIn(request),
				expiration: expirationIn(searchParams),
			});
			break;
		case "DELETE":
			await storage.delete(key);
			break;
		default:
			throw new KvFailure(405, "Method Not Allowed");
	}
	response.end();
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of request) {
		length += chunk.length;
		if (length > MAX_VALUE_BYTES) throw new KvFailure(413, "too large a value");
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

function keyIn(pathname: string, searchParams: URLSearchParams): string {
	const isEncoded = searchParams.get("urlencoded") === "true";
	const key = isEncoded
		? decodeURIComponent(pathname.slice(1))
		: pathname.slice(1);
	if (key === "" || key === "." || key === "..") {
		throw new KvFailure(400, `"${key}" cannot be a key`);
	}
	if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
		throw new KvFailure(414, "too long a key");
	}
	return key;
}

function checkCacheTtl(seconds: string | number | null | undefined): void {
	if (seconds !== null && seconds !== undefined && +seconds < MIN_CACHE_TTL) {
		throw new KvFailure(400, `cache_ttl is below ${MIN_CACHE_TTL}`);
	}
}

function metadataIn({ headers }: IncomingMessage): string | undefined {
	const metadata = headers["cf-kv-metadata"];
	if (metadata === undefined) return undefined;
	const text = fromHeader(String(metadata));
	if (Buffer.byteLength(text) > MAX_METADATA_BYTES) {
		throw new KvFailure(413, "too large a metadata");
	}
	return text;
}

/** Node decodes header fields as Latin-1; workerd sends UTF-8. */
function fromHeader(field: string): string {
	return Buffer.from(field, "latin1").toString();
}

function toHeader(value: string): string {
	return Buffer.from(value).toString("latin1");
}

function expirationIn(searchParams: URLSearchParams): number | undefined {
	const ttl = searchParams.get("expiration_ttl");
	const at = searchParams.get("expiration");
	if (ttl === null && at === null) return undefined;
	const now = Math.floor(Date.now() / 1000);
	const expiration = ttl === null ? Number(at) : now + Number(ttl);
	if (!(expiration >= now + MIN_EXPIRATION_TTL)) {
		throw new KvFailure(400, `expires in less than ${MIN_EXPIRATION_TTL} s`);
	}
	return expiration;
}

async function find(
	storage: KvStorage,
	key: string,
): Promise<KvEntry | undefined> {
	const entry = await storage.get(key);
	const isExpired =
		entry?.expiration !== undefined && entry.expiration * 1000 <= Date.now();
	return isExpired ? undefined : entry;
}

interface BulkGet {
	keys: string[];
	type?: "text" | "json";
	withMetadata?: boolean;
	cacheTtl?: number;
}

async function getMany(
	storage: KvStorage,
	{ keys, type = "text", withMetadata = false, cacheTtl }: BulkGet,
): Promise<Record<string, unknown>> {
	checkCacheTtl(cacheTtl);
	if (keys.length === 0 || keys.length > MAX_BULK_KEYS) {
		throw new KvFailure(400, `not 1 to ${MAX_BULK_KEYS} keys`);
	}
	const found: Record<string, unknown> = {};
	for (const key of keys) {
		const entry = await find(storage, key);
		if (entry === undefined) {
			found[key] = null;
			continue;
		}
		const text = entry.value.toString();
		const value = type === "json" ? JSON.parse(text) : text;
		const metadata = JSON.parse(entry.metadata ?? "null");
		found[key] = withMetadata ? { value, metadata } : value;
	}
	return found;
}
