/** The same links by signers in other languages, written from the vendor's page. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LinkCredential } from '../../packages/server/src/oss/credential.ts'
import { run } from '../programs.ts'
import { NotHere } from './stage.ts'

export interface Wanted {
  bucket: string
  keys: string[]
  expires: number
}

const PROCESS = 'image/resize,w_120,h_120'

const PYTHON = `
import base64, hashlib, hmac, sys, urllib.parse
bucket, ident, secret, token, expires, process = sys.argv[1:7]
for key in sys.argv[7:]:
    for thumb in (False, True):
        signed = {"security-token": token}
        if thumb:
            signed["x-oss-process"] = process
        resource = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
        text = f"GET\\n\\n\\n{expires}\\n/{bucket}/{key}?{resource}"
        mac = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
        query = urllib.parse.urlencode({"OSSAccessKeyId": ident, "Expires": expires, "Signature": mac, **signed})
        print(f"/{bucket}/{urllib.parse.quote(key, safe='')}?{query}")
`

const PHP = `<?php
[, $bucket, $id, $secret, $token, $expires, $process] = $argv;
foreach (array_slice($argv, 7) as $key) {
  foreach ([[], ['x-oss-process' => $process]] as $more) {
    $signed = ['security-token' => $token] + $more;
    ksort($signed);
    $resource = implode('&', array_map(fn ($name) => "$name={$signed[$name]}", array_keys($signed)));
    $mac = base64_encode(hash_hmac('sha1', "GET\\n\\n\\n$expires\\n/$bucket/$key?$resource", $secret, true));
    $query = http_build_query(['OSSAccessKeyId' => $id, 'Expires' => $expires, 'Signature' => $mac] + $signed);
    echo "/$bucket/", rawurlencode($key), "?$query\\n";
  }
}
`

const GO = `package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
)

func main() {
	bucket, id, secret, token, expires, process := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	for _, key := range os.Args[7:] {
		for _, thumb := range []bool{false, true} {
			resource := "security-token=" + token
			query := url.Values{"OSSAccessKeyId": {id}, "Expires": {expires}, "security-token": {token}}
			if thumb {
				resource += "&x-oss-process=" + process
				query.Set("x-oss-process", process)
			}
			mac := hmac.New(sha1.New, []byte(secret))
			mac.Write([]byte("GET\\n\\n\\n" + expires + "\\n/" + bucket + "/" + key + "?" + resource))
			query.Set("Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
			fmt.Println("/" + bucket + "/" + url.PathEscape(key) + "?" + query.Encode())
		}
	}
}
`

const JAVA = `
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Signer {
  public static void main(String[] a) throws Exception {
    Mac mac = Mac.getInstance("HmacSHA1");
    mac.init(new SecretKeySpec(a[2].getBytes(StandardCharsets.UTF_8), "HmacSHA1"));
    for (int i = 6; i < a.length; i++) {
      String key = new String(Base64.getDecoder().decode(a[i]), StandardCharsets.UTF_8);
      for (String more : new String[] {"", "&x-oss-process=" + a[5]}) {
        String text = "GET\\n\\n\\n" + a[4] + "\\n/" + a[0] + "/" + key + "?security-token=" + a[3] + more;
        String signature = Base64.getEncoder().encodeToString(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
        String process = more.isEmpty() ? "" : "&x-oss-process=" + encoded(a[5]);
        System.out.println("/" + a[0] + "/" + encoded(key) + "?OSSAccessKeyId=" + encoded(a[1]) + "&Expires=" + a[4]
            + "&Signature=" + encoded(signature) + process + "&security-token=" + encoded(a[3]));
      }
    }
  }

  static String encoded(String text) throws Exception {
    return URLEncoder.encode(text, "UTF-8").replace("+", "%20");
  }
}
`

interface Signer {
  name: string
  file: string
  source: string
  command: string[]
  /** Java reads its arguments in the charset of the locale. */
  keysIn?: 'base64'
}

const SIGNERS: Signer[] = [
  { name: 'Python', file: 'signer.py', source: PYTHON, command: ['python3'] },
  { name: 'PHP', file: 'signer.php', source: PHP, command: ['php'] },
  { name: 'Go', file: 'signer.go', source: GO, command: ['go', 'run'] },
  { name: 'Java', file: 'Signer.java', source: JAVA, command: ['java'], keysIn: 'base64' },
]

/** Links for each key by the signers of every language; the row is not here where one of them is missing. */
export async function foreignLinks(
  { accessKeyId, accessKeySecret, securityToken = '' }: LinkCredential,
  { bucket, keys, expires }: Wanted,
): Promise<Map<string, string[]>> {
  const directory = await mkdtemp(join(tmpdir(), 'attache-signers-'))
  const found = new Map<string, string[]>()
  try {
    for (const { name, file, source, command, keysIn } of SIGNERS) {
      const [program = '', ...words] = command
      const path = join(directory, file)
      await writeFile(path, source)
      const spelt = keysIn ? keys.map((key) => Buffer.from(key).toString(keysIn)) : keys
      const pair = [accessKeyId, accessKeySecret, securityToken]
      try {
        const { stdout } = await run(program, [...words, path, bucket, ...pair, String(expires), PROCESS, ...spelt])
        found.set(name, stdout.split('\n').filter(Boolean))
      } catch (error) {
        if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOENT') throw error
        throw new NotHere(`no ${program}: ${name} has to sign as well`)
      }
    }
    return found
  } finally {
    await rm(directory, { recursive: true })
  }
}
