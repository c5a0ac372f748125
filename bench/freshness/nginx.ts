// nginx's proxy_cache in front of an origin: the cache with a time to live that Postern is compared with. Debian: nginx-light.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import {
	type Service,
	startService,
	untilReady,
} from "../../gateway/cli/stack/service.ts";

const execute = promisify(execFile);

/** Debian's path is not on every user's PATH. */
const FOLDERS = ["", "/usr/sbin/"];

/** @returns the command, or undefined if this machine has no nginx */
export function findNginx(): Promise<string | undefined> {
	return findCommand("nginx", "-v");
}

/** @param versionOption is answered with the version. @returns undefined if this machine does not have the command */
export async function findCommand(
	name: string,
	versionOption: string,
): Promise<string | undefined> {
	for (const folder of FOLDERS) {
		try {
			await execute(folder + name, [versionOption]);
			return folder + name;
		} catch {
			// Not in this folder.
		}
	}
	return undefined;
}

export async function startNginx(
	command: string,
	originUrl: string,
	ttlSeconds: number,
): Promise<Service & { url: string }> {
	const directory = await mkdtemp(join(tmpdir(), "postern-nginx-"));
	const port = await freePort();
	const file = join(directory, "nginx.conf");
	await writeFile(
		file,
		configuration({ directory, port, originUrl, ttlSeconds }),
	);
	const service = startService({
		command,
		args: ["-p", directory, "-c", file, "-e", "stderr"],
		stopSignal: "SIGTERM",
		log: () => {},
	});
	const url = `http://${LOOPBACK}:${port}`;
	await untilReady("nginx", service, () => isListening(url));
	return {
		...service,
		url,
		async stop() {
			await service.stop();
			await rm(directory, { recursive: true, force: true });
		},
	};
}

async function isListening(url: string): Promise<boolean> {
	try {
		return (await fetch(`${url}/ready`)).ok;
	} catch {
		return false;
	}
}

/**
 * One cache for all of nginx, while Postern's isolates have one each and share KV.
 * `proxy_cache_lock` makes one request of many for the same thing; those that wait look again only every half second.
 * `proxy_cache_use_stale off`: with `updating` it would give answers older than their time to live.
 */
function configuration(options: {
	directory: string;
	port: number;
	originUrl: string;
	ttlSeconds: number;
}): string {
	const { directory, port, originUrl, ttlSeconds } = options;
	// If root starts nginx, its workers would run as another user, who may not enter the folder.
	const user = process.getuid?.() === 0 ? "user root;" : "";
	const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
		.map((name) => `${name}_temp_path ${directory}/${name};`)
		.join("\n\t");
	return `${user}
daemon off;
worker_processes auto;
pid ${directory}/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
	access_log off;
	${temporary}
	proxy_cache_path ${directory}/cache levels=1:2 keys_zone=answers:16m max_size=256m inactive=1h use_temp_path=off;
	upstream origin {
		server ${new URL(originUrl).host};
		keepalive 32;
	}
	server {
		listen ${LOOPBACK}:${port};
		location = /ready { return 200; }
		location / {
			proxy_pass http://origin;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_cache answers;
			proxy_cache_valid 200 206 ${ttlSeconds}s;
			proxy_cache_lock on;
			proxy_cache_use_stale off;
		}
	}
}
`;
}
