// A gateway over a recording origin, and how a test asks it something.

import type { Application } from "../../src/application/application.ts";
import type { Feed } from "../../src/feed/feed.ts";
import { createGateway } from "../../src/gateway.ts";
import type { Namespace } from "../../src/kv/sealed-values.ts";
import type { CallerCounts } from "../../src/limits/caller-counts.ts";
import type { LocationLimit } from "../../src/limits/limiter.ts";
import type { Dataset } from "../../src/observe/counters.ts";
import type { RequestLine } from "../../src/observe/request-line.ts";
import type { Fetch } from "../../src/origin/send.ts";
import { parseConfig } from "../../src/settings/settings.ts";
import { application as example } from "./application.ts";
import { type Answer, asPostgrest, recordingOrigin } from "./origin.ts";
import { ISSUER_KEY, NOW, ORIGIN_KEY, tokenFor } from "./tokens.ts";

/** The least environment that the gateway starts with. */
export const ENV = {
	ORIGIN_URL: "http://127.0.0.1:3000",
	ORIGIN_SIGNING_KEY: JSON.stringify(ORIGIN_KEY.privateJwk),
	TOKEN_JWKS: JSON.stringify({ keys: [ISSUER_KEY.publicJwk] }),
};

export interface RequestOptions extends Omit<RequestInit, "headers"> {
	headers?: HeadersInit | undefined;
	/** The caller's access token. Without one the caller is anonymous. */
	token?: string;
	/** Sent as JSON, with its Content-Type. */
	json?: unknown;
}

export interface GatewayOptions {
	/** Routes of the test's own. */
	application?: Partial<Application>;
	/** What the origin answers. */
	answer?: Answer;
	/** Takes the origin's place altogether. */
	fetch?: Fetch;
	/** Variables that add to ENV or replace its values. */
	env?: Record<string, unknown>;
	now?: () => number;
	/** Answers for the static assets. */
	assets?: Fetch;
	/** Answers for issuers that publish their keys. */
	fetchKeys?: Fetch;
	/** Answers for the upstream. */
	fetchUpstream?: Fetch;
	/** Workers KV. */
	kv?: Namespace;
	/** Tells the read cache what changed; without it every read goes to the origin. */
	feed?: Feed;
	/** Analytics Engine. */
	dataset?: Dataset;
	/** The exact counts of one caller. */
	countsOf?: (name: string) => CallerCounts;
	/** Cloudflare's rate limit. */
	locationLimit?: LocationLimit;
	/** Takes work that goes on after an answer. */
	waitUntil?: (promise: Promise<unknown>) => void;
}

/** A gateway with its origin, its log, and `request` to ask it. */
export function startGateway({
	application,
	answer,
	fetch,
	env = {},
	now = () => NOW,
	assets,
	fetchKeys = async () => new Response(null, { status: 404 }),
	fetchUpstream = async () => new Response("upstream"),
	kv,
	feed,
	dataset,
	countsOf,
	locationLimit,
	waitUntil = () => {},
}: GatewayOptions = {}) {
	const origin = recordingOrigin(answer);
	const logged: unknown[] = [];
	const lines: RequestLine[] = [];
	const { fetch: ask, ...paths } = createGateway({
		config: parseConfig({ ...ENV, ...env }),
		application: { ...example, ...application },
		now,
		fetch: asPostgrest(fetch ?? origin.fetch),
		assets,
		fetchKeys,
		fetchUpstream,
		kv,
		feed,
		...{ dataset, countsOf, locationLimit },
		// A pause here takes a tenth of its time.
		sleep: (ms) => scheduler.wait(Math.ceil(ms / 10)),
		waitUntil,
		logRequest(line) {
			lines.push(line);
			if (line.status >= 500 && line.cause !== undefined)
				logged.push(line.cause);
		},
		log: (problem) => logged.push(problem),
	});
	return {
		origin,
		/** The causes of failures, and what else went wrong. */
		logged,
		lines,
		...paths,
		async request(
			path: string,
			{ token, json, headers: given, ...init }: RequestOptions = {},
		): Promise<Response> {
			const headers = new Headers(given);
			if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
			if (json !== undefined) {
				headers.set("Content-Type", "application/json");
				init.body = JSON.stringify(json);
			}
			return ask(
				new Request(`https://gateway.example${path}`, { ...init, headers }),
			);
		},
	};
}

/** ADA's token, for the tests that are not about tokens. */
export const ADA_TOKEN = await tokenFor();

interface RefusalBody {
	code: string;
	message: string;
	details: null;
	hint: null;
}

/** A refusal's body. */
export function refusalBody(response: Response): Promise<RefusalBody> {
	return response.json();
}

/** A refusal as its status and code. */
export async function refusal(response: Response) {
	const { code } = await refusalBody(response);
	return { status: response.status, code };
}

/** A refusal as its status, code and message. */
export async function refusalInWords(response: Response) {
	const { code, message } = await refusalBody(response);
	return { status: response.status, code, message };
}
