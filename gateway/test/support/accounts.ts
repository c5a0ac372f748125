// What the functions of schema `postern` answer, and a gateway that issues tokens to those it finds there.

import type { Answer, Received } from "./origin.ts";
import { ISSUER_KEY, NOW_SECONDS } from "./tokens.ts";

/** ENV of a gateway that signs its users' tokens. */
export const ISSUING = {
	TOKEN_SIGNING_KEY: JSON.stringify(ISSUER_KEY.privateJwk),
};

export const USER_ID = "6f1c2b1e-4c1d-4a6e-9d0a-5a1f0b7c9e21";
export const SESSION_ID = "0b7e3f0c-2f53-4a53-8f0e-6f6f5d2a9c11";
export const REFRESH_TOKEN = "refresh-token-of-the-next-session-00000000";

/** A user as the database describes one. */
export const USER = {
	id: USER_ID,
	email: "ada@example.com",
	fullname: "Ada Lovelace",
	user_metadata: { fullname: "Ada Lovelace", likes: ["engines"] },
	created_at: "2026-03-01T08:00:00.123456+00:00",
	updated_at: "2026-03-02T08:00:00.123456+00:00",
	last_sign_in_at: "2026-03-14T15:09:26+00:00",
};

export const SIGNED_IN = {
	outcome: "ok",
	user: USER,
	session: { id: SESSION_ID, refresh_token: REFRESH_TOKEN },
};

/** Claims, besides ADA's, of an access token of USER's session. */
export const SESSION_CLAIMS = {
	sub: USER_ID,
	session_id: SESSION_ID,
	iat: NOW_SECONDS,
};

/** A database that answers each function with what is given for it. */
export function answering(answers: Record<string, unknown>): Answer {
	return ({ url }) => {
		const name = functionIn(url);
		const answer = name === undefined ? [] : answers[name];
		return answer === undefined
			? Response.json(
					{ code: "PGRST202", message: `no function ${name}` },
					{ status: 404 },
				)
			: Response.json(answer);
	};
}

/** The calls among what the origin received, as name and parameters. */
export function callsAmong(received: readonly Received[]) {
	return received.flatMap(({ url, body }) => {
		const name = functionIn(url);
		return name === undefined ? [] : [{ name, parameters: JSON.parse(body) }];
	});
}

function functionIn({ pathname }: URL): string | undefined {
	return /^\/rpc\/(\w+)$/.exec(pathname)?.[1];
}
