// Attaché from .NET 8 alone: token, upload, document, read it back, link, checked download into ./downloads.
//
//     export ATTACHE_URL=http://127.0.0.1:8700 ATTACHE_APP_KEY=… ATTACHE_APP_SECURITY=…
//     dotnet run --project csharp -- 发票.pdf
//
// NOT RUN, and not compiled: there is no .NET SDK where Attaché is built and tested.

using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;

using var client = new HttpClient { Timeout = TimeSpan.FromMinutes(5) };

try
{
    await RunAsync(args.Length == 1 ? args[0] : throw new Failure("usage: dotnet run -- FILE"));
    return 0;
}
catch (Exception error)
{
    // Of other exceptions the text may hold an address.
    var plain = error is Failure or HttpRequestException or IOException;
    Console.Error.WriteLine(plain ? error.Message : error.GetType().Name);
    return 1;
}

async Task RunAsync(string path)
{
    var pair = new { appKey = Setting("ATTACHE_APP_KEY"), appSecurity = Setting("ATTACHE_APP_SECURITY") };
    var granted = await CallAsync("/v1/auth/getAccessToken?", JsonContent.Create(pair));
    var token = "accessToken=" + Uri.EscapeDataString(Text(granted.GetProperty("value"), "accessToken"));

    var name = Path.GetFileName(path);
    using var file = File.OpenRead(path);
    // The name goes in its own part, in UTF-8; for the file's part .NET writes filename* as well, in UTF-8 too.
    using var form = new MultipartFormDataContent();
    form.Add(new StringContent(name), "name");
    form.Add(new StreamContent(file), "file", name);
    var uploaded = (await CallAsync("/v2/attachment/upload?" + token, form)).GetProperty("value");

    // The vendor's own service wants the fields of your template as well.
    var (key, fileId, fileName) = (Text(uploaded, "key"), Text(uploaded, "fileId"), Text(uploaded, "fileName"));
    var document = new { form = new { title = "C#", attachments = new[] { new { key, fileId, fileName } } } };
    var saved = await CallAsync("/v2.2/flow/data?isCommit=false&" + token, JsonContent.Create(document));
    var code = Uri.EscapeDataString(Text(saved.GetProperty("flow").GetProperty("form"), "code"));
    var found = await CallAsync($"/v1.1/flowDetails/byCode?code={code}&{token}", null);

    foreach (var one in found.GetProperty("value").GetProperty("form").GetProperty("attachments").EnumerateArray())
    {
        var saveAs = Path.GetFileName(Text(one, "fileName")); // only its last part becomes a name here
        var items = new[] { new { id = Text(one, "fileId"), key = Text(one, "key"), expiration = 600 } };
        var links = await CallAsync("/v2/attachment/downloadurls?" + token, JsonContent.Create(items));
        if (links.GetArrayLength() == 0) throw new Failure($"no link for {saveAs}: unknown, removed or not yours");
        await DownloadAsync(Text(links[0], "url"), Path.Combine("downloads", saveAs));
    }
}

async Task<JsonElement> CallAsync(string path, HttpContent? body)
{
    var address = new Uri(Setting("ATTACHE_URL").TrimEnd('/') + "/api/openapi" + path);
    var method = body is null ? HttpMethod.Get : HttpMethod.Post;
    using var request = new HttpRequestMessage(method, address) { Content = body };
    using var response = await OpenAsync(request);
    using var answer = await response.Content.ReadAsStreamAsync();
    return await JsonSerializer.DeserializeAsync<JsonElement>(answer);
}

// An answer with status 200, or the service's own words; a proxy says them in plain text.
async Task<HttpResponseMessage> OpenAsync(HttpRequestMessage request)
{
    var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    if (response.StatusCode == HttpStatusCode.OK) return response;
    using (response)
    {
        var text = await response.Content.ReadAsStringAsync();
        throw new Failure(ReasonIn(text) ?? $"HTTP {(int)response.StatusCode} {text[..Math.Min(200, text.Length)]}");
    }
}

static string? ReasonIn(string text)
{
    try { return JsonSerializer.Deserialize<Refusal>(text)?.errorMessage; }
    catch (JsonException) { return null; }
}

// Saves the file whole and checked, or not at all. The link goes as it came, past Uri's tidying: it is signed.
async Task DownloadAsync(string link, string path)
{
    var address = new Uri(link, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
    using var response = await OpenAsync(new HttpRequestMessage(HttpMethod.Get, address));
    Directory.CreateDirectory(Path.GetDirectoryName(path)!);
    var part = path + ".part";
    try
    {
        using var md5 = MD5.Create();
        await using (var file = File.Create(part))
        {
            using var hashing = new CryptoStream(file, md5, CryptoStreamMode.Write);
            await response.Content.CopyToAsync(hashing);
            await hashing.FlushFinalBlockAsync();
        }
        var (digest, size) = (md5.Hash!, new FileInfo(part).Length);
        var promised = response.Content.Headers;
        if (size != promised.ContentLength || !digest.SequenceEqual(promised.ContentMD5 ?? []))
            throw new Failure($"{path}: {size} bytes came, not those of Content-Length and Content-MD5");
        File.Move(part, path, overwrite: true);
        Console.WriteLine($"ok {Path.GetFileName(path)} {size} {Convert.ToHexString(digest).ToLowerInvariant()}");
    }
    finally { File.Delete(part); }
}

static string Text(JsonElement holder, string name) => holder.GetProperty(name).GetString() ?? "";

static string Setting(string name) => Environment.GetEnvironmentVariable(name) ?? throw new Failure($"set {name}");

record Refusal(string? errorMessage);

class Failure(string message) : Exception(message);
