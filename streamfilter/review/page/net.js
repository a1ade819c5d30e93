// The only place that talks to the server, and only to the one that the page came from.

export async function getJson(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error(await reason(response));
  return response.json();
}

export async function getBytes(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error(await reason(response));
  return response.arrayBuffer();
}

export async function postJson(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) {
    const error = new Error(await reason(response));
    error.isRefusal = response.status < 500;
    throw error;
  }
  return response.json();
}

async function reason(response) {
  const text = await response.text();
  return text.slice(0, 300) || `the server answered ${response.status}`;
}
