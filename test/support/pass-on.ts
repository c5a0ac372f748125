// Servers between the gateway and PostgREST that pass on what they get.
import {
	type IncomingMessage,
	type OutgoingHttpHeaders,
	request,
	type ServerResponse,
} from "node:http";

/**
 * Passes a request on, and its answer back.
 * @param url where to
 * @param headers of the request
 * @param changed headers of the answer
 */
export function passOn(
	asked: IncomingMessage,
	answering: ServerResponse,
	url: string,
	headers: OutgoingHttpHeaders = asked.headers,
	changed: OutgoingHttpHeaders = {},
): void {
	const passed = request(url, { method: asked.method, headers }, (answer) => {
		answering.writeHead(answer.statusCode ?? 500, {
			...answer.headers,
			...changed,
		});
		answer.pipe(answering);
	});
	passed.on("error", () => answering.destroy());
	asked.pipe(passed);
}
