// The faults, and what begins and ends each.
import type { Fault } from "./fault-proxy.ts";
import type { FaultyStack } from "./origin.ts";

export interface FaultCase {
	readonly name: string;
	begin(stack: FaultyStack): Promise<unknown>;
	end(stack: FaultyStack): Promise<unknown>;
	/** Whether the origin is away meanwhile. Otherwise it answers, if late. */
	readonly isOutage: boolean;
}

const page = (status: string, body: string) =>
	`HTTP/1.1 ${status}\r\nContent-Type: text/html\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;

function onNetwork(name: string, fault: Fault, isOutage = true): FaultCase {
	return {
		name,
		isOutage,
		begin: ({ network }) => network.fail(fault),
		end: ({ network }) => network.fail({ kind: "none" }),
	};
}

export const FAULTS: readonly FaultCase[] = [
	onNetwork("answers come 300 ms late", { kind: "delay", ms: 300 }, false),
	onNetwork("nothing listens", { kind: "refuse" }),
	onNetwork("connections are reset", { kind: "reset" }),
	onNetwork("nothing is answered", { kind: "silence" }),
	onNetwork("answers are cut after 40 bytes", { kind: "cut", bytes: 40 }),
	onNetwork("answers are cut in the body", { kind: "cut", bytes: 330 }),
	onNetwork("answers stall after 40 bytes", { kind: "stall", bytes: 40 }),
	onNetwork("answers stall in the body", { kind: "stall", bytes: 330 }),
	onNetwork("502 with a page, as cloudflared answers", {
		kind: "answer",
		text: page("502 Bad Gateway", "<html>Unable to reach the origin</html>"),
	}),
	onNetwork("530 with a page, as Cloudflare answers", {
		kind: "answer",
		text: page("530 Origin Error", "error code: 1033"),
	}),
	onNetwork("200 with a page", {
		kind: "answer",
		text: page("200 OK", "<html>Sign in</html>"),
	}),
	onNetwork("bytes that are not HTTP", {
		kind: "answer",
		text: "\u0000\u0001 not HTTP at all\r\n\r\n",
	}),
	{
		name: "PostgREST is killed and started",
		isOutage: true,
		begin: ({ postgrest }) => postgrest.kill(),
		end: ({ postgrest }) => postgrest.start(),
	},
	{
		name: "Postgres is stopped and started",
		isOutage: true,
		begin: ({ postgres }) => postgres.kill(),
		end: ({ postgres }) => postgres.start(),
	},
];
