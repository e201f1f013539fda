<?php

// Attaché from PHP 8 with curl: token, upload, document, read it back, link, checked download into ./downloads.
//
//     export ATTACHE_URL=http://127.0.0.1:8700 ATTACHE_APP_KEY=… ATTACHE_APP_SECURITY=…
//     php php/attache.php 发票.pdf

declare(strict_types=1);

/** What to tell the user. Never holds a token or a link. */
class Failure extends RuntimeException {}

function setting(string $name): string
{
    return getenv($name) ?: throw new Failure("set $name");
}

function json(array $value): string
{
    return json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
}

/** Fails unless the status is 200. Gives the headers and the body, which goes to $file if there is one. */
function send(string $address, array $options, mixed $file = null): array
{
    $headers = [];
    $curl = curl_init($address);
    curl_setopt_array($curl, $options + [
        CURLOPT_PATH_AS_IS => true,
        CURLOPT_CONNECTTIMEOUT => 10,
        CURLOPT_LOW_SPEED_LIMIT => 1,
        CURLOPT_LOW_SPEED_TIME => 60,
        CURLOPT_HEADERFUNCTION => function ($_, string $line) use (&$headers): int {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $headers[strtolower($name)] = trim($value);
            return strlen($line);
        },
    ] + ($file ? [CURLOPT_FILE => $file] : [CURLOPT_RETURNTRANSFER => true]));
    $text = curl_exec($curl);
    if ($text === false) {
        throw new Failure(curl_error($curl));
    }
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    if ($status !== 200) {
        $text = $file ? stream_get_contents($file, 65536, 0) : $text;
        // The service's own words; a proxy says them in plain text.
        throw new Failure(json_decode($text, true)['errorMessage'] ?? "HTTP $status " . substr($text, 0, 200));
    }
    return [$headers, $text];
}

/** $body: a string is sent as JSON, an array as multipart/form-data; without one it is a GET. */
function call(string $path, array $query = [], string|array|null $body = null): array
{
    $options = $body === null ? [] : [CURLOPT_POSTFIELDS => $body];
    if (is_string($body)) {
        $options[CURLOPT_HTTPHEADER] = ['Content-Type: application/json'];
    }
    $address = rtrim(setting('ATTACHE_URL'), '/') . "/api/openapi$path?" . http_build_query($query);
    return json_decode(send($address, $options)[1], true, 512, JSON_THROW_ON_ERROR);
}

/** Saves the file whole and checked, or not at all. The link goes as it came: it is signed. */
function download(string $link, string $path): void
{
    is_dir(dirname($path)) || mkdir(dirname($path), 0777, true);
    $part = fopen("$path.part", 'w+b') ?: throw new Failure("can't write $path.part");
    try {
        [$headers] = send($link, [], $part);
        fclose($part) || throw new Failure("can't write $path.part");
        [$size, $md5] = [filesize("$path.part"), md5_file("$path.part")];
        if ((string) $size !== ($headers['content-length'] ?? '')) {
            throw new Failure("$path: $size bytes came, not as many as Content-Length says");
        }
        if (base64_encode(hex2bin($md5)) !== ($headers['content-md5'] ?? '')) {
            throw new Failure("$path: the MD5 is not that of Content-MD5");
        }
        rename("$path.part", $path) || throw new Failure("can't write $path");
        echo 'ok ', basename($path), " $size $md5\n";
    } finally {
        file_exists("$path.part") && unlink("$path.part");
    }
}

function main(array $arguments): void
{
    $file = $arguments[1] ?? throw new Failure('usage: attache.php FILE');
    is_readable($file) || throw new Failure("can't read $file");
    $pair = ['appKey' => setting('ATTACHE_APP_KEY'), 'appSecurity' => setting('ATTACHE_APP_SECURITY')];
    $token = ['accessToken' => call('/v1/auth/getAccessToken', [], json($pair))['value']['accessToken']];

    $form = ['name' => basename($file), 'file' => new CURLFile($file, 'application/octet-stream', basename($file))];
    $uploaded = call('/v2/attachment/upload', $token, $form)['value'];
    $attachment = array_intersect_key($uploaded, ['key' => 1, 'fileId' => 1, 'fileName' => 1]);

    // The vendor's own service wants the fields of your template as well.
    $form = ['title' => 'PHP', 'attachments' => [$attachment]];
    $code = call('/v2.2/flow/data', ['isCommit' => 'false'] + $token, json(['form' => $form]))['flow']['form']['code'];
    $found = call('/v1.1/flowDetails/byCode', ['code' => $code] + $token)['value'];

    foreach ($found['form']['attachments'] as ['key' => $key, 'fileId' => $id, 'fileName' => $fileName]) {
        $items = [['id' => $id, 'key' => $key, 'expiration' => 600]];
        $link = call('/v2/attachment/downloadurls', $token, json($items))[0]['url'] ?? null;
        $link ?? throw new Failure("no link for $fileName: unknown, removed or of another corporation");
        download($link, 'downloads/' . basename($fileName)); // never outside it
    }
}

try {
    main($argv);
} catch (Throwable $error) {
    // Of other errors the trace would hold secrets.
    fwrite(STDERR, ($error instanceof Failure ? $error->getMessage() : get_class($error)) . "\n");
    exit(1);
}
