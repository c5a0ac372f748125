// A PostgREST whose pre-request function claims idempotency keys, in memory, as gateway/sql/code/pre_request does for one caller.
import type { Answer, Received } from "../support/origin.ts";

interface ClaimingOptions {
	/** The database calls postern.pre_request(). */
	isInstalled?: boolean;
	/** Answers a write that has claimed its key. */
	write?: Answer;
	/** Whether answers can be kept. */
	keeps?: boolean;
}

interface Claimed {
	request: string;
	claim: string;
	answer?: unknown;
}

export function claimingOrigin({
	isInstalled = true,
	write = () => Response.json([{ id: 1 }], { status: 201 }),
	keeps = true,
}: ClaimingOptions = {}) {
	const claimed = new Map<string, Claimed>();
	const written: Received[] = [];
	const origin = {
		isInstalled,
		/** The writes that were done, in order. */
		written,
		answer,
	};
	return origin;

	async function answer(received: Received): Promise<Response> {
		const { url, body, headers } = received;
		const sent = headers.get("postern-claim");
		if (url.pathname === "/rpc/claims_keys")
			return Response.json(origin.isInstalled && sent === "probe");
		if (url.pathname === "/rpc/keep_answer") {
			if (!keeps) return Response.json({ message: "full" }, { status: 500 });
			return Response.json(keep(JSON.parse(body)));
		}
		if (url.pathname === "/rpc/kept_answer") {
			const { claim } = JSON.parse(body);
			return Response.json(byClaim(claim)?.answer ?? null);
		}
		const [claim = "", key = "", request = ""] = sent?.split(" ") ?? [];
		const known = claimed.get(key);
		if (sent !== null && known !== undefined)
			return known.request === request
				? raised(409, "idempotency_done", known.claim)
				: raised(422, "idempotency_key_reused");
		const response = await write(received);
		// A transaction that ends with an error claims nothing.
		if (response.ok) written.push(received);
		if (response.ok && sent !== null && origin.isInstalled)
			claimed.set(key, { request, claim });
		return response;
	}

	function keep({ claim, answer }: { claim: string; answer: unknown }) {
		const known = byClaim(claim);
		if (known !== undefined) known.answer = answer;
		return known !== undefined;
	}

	function byClaim(claim: string): Claimed | undefined {
		return [...claimed.values()].find((known) => known.claim === claim);
	}
}

/** What PostgREST makes of an error that postern.claim_key() raises. */
export function raised(
	status: number,
	message: string,
	details: string | null = null,
): Response {
	return Response.json(
		{ code: `PT${status}`, message, details, hint: null },
		{ status },
	);
}
