// HTTP as it is on the wire: unlike fetch, it normalises, decodes, follows and repeats nothing.
import { Agent, type OutgoingHttpHeaders, request } from "node:http";
import { buffer } from "node:stream/consumers";

export interface RawRequest {
	method: string;
	/** Path and query, sent unchanged; characters beyond ASCII as UTF-8, as curl does. */
	path: string;
	/** A list is sent as several fields of the same name. */
	headers?: OutgoingHttpHeaders;
	body?: string | Uint8Array;
	/** Whether the length of the body is not told. */
	isChunked?: boolean;
}

export interface RawAnswer {
	status: number;
	statusText: string;
	/** The fields as they were sent, in order and with repeats. */
	headers: [name: string, value: string][];
	body: Buffer;
}

/** Keeps a few connections for all requests of a test file: PostgREST's pool holds ten. */
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

export function sendRaw(
	baseUrl: string,
	{ method, path, headers = {}, body, isChunked }: RawRequest,
): Promise<RawAnswer> {
	const { hostname, port } = new URL(baseUrl);
	return new Promise((resolve, reject) => {
		const outgoing = request({
			agent,
			hostname,
			port,
			method,
			// Content-Location repeats the URL, which may have 8,000 characters.
			maxHeaderSize: 65_536,
			// node:http sends a path as Latin-1: this makes the bytes on the wire those of UTF-8.
			path: Buffer.from(path).toString("latin1"),
			headers: {
				...(isChunked ? { "transfer-encoding": "chunked" } : {}),
				...(body === undefined || isChunked
					? {}
					: { "content-length": Buffer.byteLength(body) }),
				...headers,
			},
		});
		outgoing.on("error", reject);
		outgoing.on("response", async (incoming) => {
			try {
				resolve({
					status: incoming.statusCode ?? 0,
					statusText: incoming.statusMessage ?? "",
					headers: inPairs(incoming.rawHeaders),
					body: await buffer(incoming),
				});
			} catch (error) {
				reject(error);
			}
		});
		outgoing.end(body);
	});
}

function inPairs(flat: string[]): [string, string][] {
	const pairs: [string, string][] = [];
	for (let index = 0; index < flat.length; index += 2) {
		pairs.push([flat[index] ?? "", flat[index + 1] ?? ""]);
	}
	return pairs;
}
