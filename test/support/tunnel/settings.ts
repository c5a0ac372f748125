// This repository's settings of cloudflared: tunnel/config.yml and docker-compose.yml.
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";

/** The keys of cloudflared's sources (`config/configuration.go`), which ignore an unknown key. */
const originRequest = z.strictObject({
	access: z
		.strictObject({
			required: z.boolean(),
			teamName: z.string(),
			audTag: z.array(z.string()),
		})
		.optional(),
	keepAliveConnections: z.int().optional(),
});

const config = z.strictObject({
	originRequest,
	ingress: z.array(
		z.strictObject({
			hostname: z.string().optional(),
			service: z.string(),
			originRequest: originRequest.optional(),
		}),
	),
});

const service = z.object({
	command: z.array(z.string()),
	environment: z.record(z.string(), z.string()),
	healthcheck: z.object({
		start_period: z.string(),
		test: z.array(z.string()),
	}),
	sysctls: z.record(z.string(), z.union([z.string(), z.int()])),
});

const compose = z.object({
	services: z.object({ cloudflared: service, "cloudflared-quick": service }),
});

/** tunnel/config.yml. @throws {ZodError} at a key that cloudflared does not know */
export async function readTunnelConfig() {
	return config.parse(parse(await read("tunnel/config.yml")));
}

/** The services of docker-compose.yml that run cloudflared. */
export async function readTunnelServices() {
	const text = await read("docker-compose.yml");
	return compose.parse(parse(text, { merge: true })).services;
}

/** Reads a file of this repository. */
export function read(path: string): Promise<string> {
	return readFile(new URL(`../../../${path}`, import.meta.url), "utf8");
}
