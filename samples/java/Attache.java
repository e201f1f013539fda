// Attaché from JDK 17 alone: token, upload, document, read it back, link, checked download into ./downloads.
//
//     export ATTACHE_URL=http://127.0.0.1:8700 ATTACHE_APP_KEY=… ATTACHE_APP_SECURITY=…
//     LC_ALL=C.UTF-8 java java/Attache.java 发票.pdf
//
// Java reads arguments and file names in the charset of the locale, which therefore has to be one of UTF-8.
import static java.net.http.HttpRequest.BodyPublishers.*;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.file.*;
import java.security.*;
import java.time.Duration;
import java.util.*;
import java.util.regex.*;
import java.util.stream.Stream;

public class Attache {
  /** What to tell the user. Never holds a token or a link. */
  private static class Failure extends Exception { Failure(String message) { super(message); } }

  private static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

  public static void main(String[] args) {
    try {
      if (args.length != 1) throw new Failure("usage: Attache.java FILE");
      run(Path.of(args[0]));
    } catch (Exception error) {
      Object plain = error instanceof IOException ? error : error.getClass(); // others may hold an address
      System.err.println(error instanceof Failure ? error.getMessage() : plain);
      System.exit(1);
    }
  }

  private static void run(Path file) throws Exception {
    String granted = post("/v1/auth/getAccessToken?", "{\"appKey\":%s,\"appSecurity\":%s}",
        setting("ATTACHE_APP_KEY"), setting("ATTACHE_APP_SECURITY"));
    String token = "accessToken=" + URLEncoder.encode(string(granted, "accessToken"), UTF_8);
    String uploaded = upload("/v2/attachment/upload?" + token, file);

    // The vendor's own service wants the fields of your template as well.
    String document = "{\"form\":{\"title\":\"Java\",\"attachments\":[{\"key\":%s,\"fileId\":%s,\"fileName\":%s}]}}";
    String saved = post("/v2.2/flow/data?isCommit=false&" + token, document,
        string(uploaded, "key"), string(uploaded, "fileId"), string(uploaded, "fileName"));
    String query = token + "&code=" + URLEncoder.encode(string(saved, "code"), UTF_8);
    String found = send("/v1.1/flowDetails/byCode?" + query, HttpRequest.newBuilder());

    String items = "[{\"id\":%s,\"key\":%s,\"expiration\":600}]";
    String links = post("/v2/attachment/downloadurls?" + token, items, string(found, "fileId"), string(found, "key"));
    Path name = Path.of(string(found, "fileName")).getFileName(); // only its last part becomes a name here
    if (!links.contains("\"url\"")) throw new Failure("no link for " + name + ": unknown, removed or not yours");
    download(string(links, "url"), Path.of("downloads").resolve(name));
  }

  private static String setting(String name) throws Failure {
    return Optional.ofNullable(System.getenv(name)).orElseThrow(() -> new Failure("set " + name));
  }

  /** The first string of that name. The JDK has no parser of JSON: take Jackson or Gson where you can. */
  private static String string(String json, String name) throws Failure {
    Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+)\"").matcher(json);
    if (!found.find()) throw new Failure("not an answer of this API: it holds no " + name);
    String text = Pattern.compile("\\\\u(....)").matcher(found.group(1))
        .replaceAll(unit -> Matcher.quoteReplacement("" + (char) Integer.parseInt(unit.group(1), 16)));
    return text.replaceAll("\\\\(.)", "$1");
  }

  private static String post(String path, String template, String... values) throws Exception {
    Object[] quoted = Stream.of(values).map(value -> '"' + value.replaceAll("[\"\\\\]", "\\\\$0") + '"').toArray();
    var json = ofString(String.format(template, quoted));
    return send(path, HttpRequest.newBuilder().header("Content-Type", "application/json").POST(json));
  }

  /** multipart/form-data with names in UTF-8; the file is read as it is sent. */
  private static String upload(String path, Path file) throws Exception {
    String name = file.getFileName().toString(), line = "\r\n--" + UUID.randomUUID();
    String quoted = name.replace("\"", "%22").replace("\r", "%0D").replace("\n", "%0A");
    String head = line + "\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n" + name
        + line + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + quoted + "\"\r\n\r\n";
    var body = concat(ofString(head), ofFile(file), ofString(line + "--\r\n"));
    String contentType = "multipart/form-data; boundary=" + line.substring(4);
    return send(path, HttpRequest.newBuilder().header("Content-Type", contentType).POST(body));
  }

  private static String send(String path, HttpRequest.Builder request) throws Exception {
    request.uri(URI.create(setting("ATTACHE_URL").replaceAll("/+$", "") + "/api/openapi" + path));
    return new String(opened(request).body().readAllBytes(), UTF_8);
  }

  /** An answer with status 200, or the service's own words; a proxy says them in plain text. */
  private static HttpResponse<InputStream> opened(HttpRequest.Builder request) throws Exception {
    var response = CLIENT.send(request.timeout(Duration.ofMinutes(5)).build(), HttpResponse.BodyHandlers.ofInputStream());
    if (response.statusCode() == 200) return response;
    String text = new String(response.body().readNBytes(65536), UTF_8);
    if (text.contains("\"errorMessage\":\"")) throw new Failure(string(text, "errorMessage"));
    throw new Failure("HTTP " + response.statusCode() + " " + text.substring(0, Math.min(200, text.length())));
  }

  /** Saves the file whole and checked, or not at all. The link goes as it came: it is signed. */
  private static void download(String link, Path file) throws Exception {
    var response = opened(HttpRequest.newBuilder(URI.create(link)));
    Path part = Path.of(file + ".part");
    Files.createDirectories(file.getParent());
    try (var bytes = new DigestInputStream(response.body(), MessageDigest.getInstance("MD5"))) {
      long size = Files.copy(bytes, part, StandardCopyOption.REPLACE_EXISTING);
      byte[] md5 = bytes.getMessageDigest().digest();
      long length = response.headers().firstValueAsLong("Content-Length").orElse(-1);
      String digest = response.headers().firstValue("Content-MD5").orElse("");
      if (size != length || !digest.equals(Base64.getEncoder().encodeToString(md5)))
        throw new Failure(file + ": " + size + " bytes came, not the " + length + " of MD5 " + digest);
      Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
      System.out.println("ok " + file.getFileName() + " " + size + " " + HexFormat.of().formatHex(md5));
    } finally {
      Files.deleteIfExists(part);
    }
  }
}
