// A Supabase project's services as supabase-js asks for them, in little: sign-in, storage, a function, Realtime. It has one user.
import type { IncomingMessage } from "node:http";
import { buffer, json } from "node:stream/consumers";
import { makeSigningKey, signWith } from "../issuer.ts";
import type { TestUpstream } from "./server.ts";

export const ADA = {
	id: "7f6a2c1e-0000-4000-8000-000000000001",
	email: "ada@example.com",
	password: "correct horse battery staple",
};

/** A project has its key for long: who verifies its tokens fetches the key only now and then. */
const key = await makeSigningKey("ES256");

/** Makes the server answer as a project does. */
export function actAsProject(upstream: TestUpstream): void {
	const stored = new Map<string, { type: string; bytes: Buffer }>();
	const user = { id: ADA.id, email: ADA.email, aud: "authenticated" };

	upstream.answer = async (incoming, answering) => {
		const { pathname } = new URL(incoming.url ?? "", upstream.url);
		const send = (value: unknown, status = 200) =>
			answering
				.writeHead(status, {
					"content-type": "application/json",
					"x-supabase-api-version": "2024-01-01",
				})
				.end(JSON.stringify(value));
		switch (`${incoming.method} ${pathname}`) {
			case "GET /auth/v1/.well-known/jwks.json":
				return send({ keys: [key.publicJwk] });
			case "POST /auth/v1/token":
				return send(...(await signIn(incoming)));
			case "POST /auth/v1/logout":
				return answering.writeHead(204).end();
			case "POST /functions/v1/hello":
				return send({
					hello: await json(incoming),
					by: incoming.headers.authorization,
				});
		}
		if (!pathname.startsWith("/storage/v1/object/"))
			return send({ message: "There is no such thing" }, 404);
		const path = pathname.replace("/object/public/", "/object/");
		const file = stored.get(path);
		if (incoming.method === "POST") {
			const bytes = await buffer(incoming);
			// Users only: their tokens are JWTs, which the key is not.
			if (!incoming.headers.authorization?.startsWith("Bearer ey"))
				return send({ statusCode: "403", message: "unauthorized" }, 400);
			stored.set(path, {
				type: incoming.headers["content-type"] ?? "",
				bytes,
			});
			return send({ Id: "1", Key: path });
		}
		if (file === undefined)
			return send({ statusCode: "404", message: "Object not found" }, 400);
		return answering
			.writeHead(200, { "content-type": file.type })
			.end(file.bytes);
	};

	// Phoenix, serializer 2.0.0: every message is answered with ok.
	upstream.reply = (message) => {
		const [joinRef, ref, topic] = JSON.parse(`${message}`);
		const payload = { status: "ok", response: { postgres_changes: [] } };
		return JSON.stringify([joinRef, ref, topic, "phx_reply", payload]);
	};

	async function signIn(incoming: IncomingMessage): Promise<[object, number]> {
		const given = (await json(incoming)) as typeof ADA;
		if (given.email !== ADA.email || given.password !== ADA.password)
			return [{ code: "invalid_credentials", message: "no" }, 400];
		const accessToken = await signWith(key, {
			iss: `${upstream.url}/auth/v1`,
			aud: "authenticated",
			role: "authenticated",
			sub: ADA.id,
		});
		return [
			{
				access_token: accessToken,
				token_type: "bearer",
				expires_in: 300,
				refresh_token: "refresh",
				user,
			},
			200,
		];
	}
}
