const form = document.getElementById("token-form");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fault = document.getElementById("fault");
  fault.textContent = "";
  try {
    const answer = await fetch("/token", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: document.getElementById("token").value }),
    });
    if (answer.ok) location.assign("/label");
    else fault.textContent = (await answer.json()).error;
  } catch {
    fault.textContent = "The server does not answer.";
  }
});
