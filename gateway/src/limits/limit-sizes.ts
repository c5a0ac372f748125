// Refuses requests that are too large, before anything of them is done. A body whose length is not told is counted as it streams:
// PostgREST gets only a part of one that is too large, and does nothing with it.
import type { MiddlewareHandler } from "hono";
import { Refusal } from "../http/refusals.ts";
import { isRead } from "../pipeline.ts";
import type { SizeLimits } from "../settings/size-limits.ts";

/** Of a field: `: ` and the line's end. */
const FIELD_BYTES = 4;

export function limitSizes(limits: SizeLimits): MiddlewareHandler {
	return (context, next) => {
		const { raw } = context.req;
		// A URL is ASCII.
		if (raw.url.length > limits.url)
			throw new Refusal("url_too_long", {
				details: `the limit is ${limits.url} bytes`,
			});
		if (bytesOf(raw.headers) > limits.headers)
			throw new Refusal("headers_too_large", {
				details: `the limit is ${limits.headers} bytes`,
			});
		const length = raw.headers.get("content-length");
		if (Number(length) > limits.body) throw bodyTooLarge(limits.body);
		// The body of a read has no meaning, and is not read: no Request can be made of one.
		if (!isRead(raw.method) && raw.body !== null && length === null)
			context.req.raw = new Request(raw, {
				body: counted(raw.body, limits.body, () => bodyTooLarge(limits.body)),
			});
		return next();
	};
}

function bytesOf(headers: Headers): number {
	let bytes = 0;
	// An iterator would be an object of the runtime's.
	headers.forEach((value, name) => {
		bytes += name.length + value.length + FIELD_BYTES;
	});
	return bytes;
}

/** The body, which ends in the refusal where it is larger. */
export function counted(
	body: ReadableStream,
	limit: number,
	tooLarge: () => Refusal,
): ReadableStream {
	let bytes = 0;
	return body.pipeThrough(
		new TransformStream<Uint8Array, Uint8Array>({
			transform(chunk, controller) {
				bytes += chunk.byteLength;
				if (bytes > limit) controller.error(tooLarge());
				else controller.enqueue(chunk);
			},
		}),
	);
}

function bodyTooLarge(limit: number): Refusal {
	return new Refusal("body_too_large", {
		details: `the limit is ${limit} bytes`,
	});
}
