// The page of the server: microphone or file to the WebSocket, words to the screen (docs/server.md).

const find = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

const MESSAGES = {
  NotAllowedError: "The browser was not allowed to use the microphone.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is in use by another program.",
};

let stream = null; // the one that runs

function say(text) {
  find("message").textContent = text;
}

function shade(confidence) {
  // Pale, but still readable, where the recognizer is not sure.
  return (0.5 + 0.5 * Math.min(1, Math.max(0, confidence))).toFixed(2);
}

function show(paragraph, message, stableLength) {
  paragraph.replaceChildren();
  let length = 0;
  for (const word of message.words) {
    const span = document.createElement("span");
    length += (length ? 1 : 0) + word.text.length;
    span.className = length <= stableLength ? "word" : "word partial";
    span.textContent = word.text;
    span.tabIndex = 0;
    span.style.opacity = shade(word.confidence);
    span.title = `${word.start.toFixed(2)} to ${word.end.toFixed(2)} s, confidence ${word.confidence.toFixed(2)}`;
    paragraph.append(span, " ");
  }
  const log = find("transcript");
  log.scrollTop = log.scrollHeight;
}

function describe({ scheme, layers, parameters, bytes }) {
  const size = `${parameters.toLocaleString("en")} weights in ${(bytes / 1e6).toFixed(2)} MB`;
  find("facts").textContent = `${scheme}, ${layers.length} layers, ${size}`;
}

async function introduce() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("v1/models", { headers });
  if (answer.ok) describe((await answer.json()).data[0].facts);
  else if (answer.status === 401) say("This server wants a token: add #token=... to the address of this page.");
}

// What runs, "microphone" or "recording", or nothing.
function running(what) {
  find("microphone").setAttribute("aria-pressed", String(Boolean(what)));
  find("microphone").textContent = what ? `Stop ${what}` : "Start microphone";
  if (!what) find("level").value = 0;
}

class Transcription {
  constructor(rate, what) {
    this.rate = rate;
    this.what = what;
    this.sent = 0; // seconds
    this.times = []; // [seconds sent, when]
    this.paragraph = null;
    this.socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/v1/stream`);
    this.socket.binaryType = "arraybuffer";
    this.ready = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.ready.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.socket.onclose = () => {
        this.reject(new Error("the connection was closed"));
        if (stream === this) {
          stream = null;
          running(null);
        }
        resolve();
      };
    });
    stream = this;
    running(what);
    this.socket.onopen = () =>
      this.tell({ type: "start", sample_rate: rate, encoding: "pcm_s16le", keywords: keywords(), token });
    this.socket.onmessage = (event) => this.hear(JSON.parse(event.data));
  }

  tell(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  send(samples) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(samples);
    this.sent += samples.length / this.rate;
    this.times.push([this.sent, performance.now()]);
    find("seconds").textContent = `${this.sent.toFixed(1)} s`;
  }

  current() {
    if (!this.paragraph) {
      this.paragraph = document.createElement("p");
      find("transcript").append(this.paragraph);
    }
    return this.paragraph;
  }

  hear(message) {
    if (message.type === "ready") {
      describe(message.model);
      this.resolve();
    } else if (message.type === "partial") {
      this.lag(message.decoded);
      if (message.words.length) show(this.current(), message, message.stable_text.length);
    } else if (message.type === "segment") {
      show(this.current(), message, message.text.length);
      this.paragraph = null;
    } else if (message.type === "keyword") {
      const item = document.createElement("li");
      item.textContent = `${message.keyword} at ${message.start.toFixed(1)} s (${message.score.toFixed(2)})`;
      find("heard").prepend(item);
      while (find("heard").children.length > 20) find("heard").lastChild.remove();
    } else if (message.type === "error") {
      const again = message.retry_after ? ` Try again in ${message.retry_after} seconds.` : "";
      say(`${message.message}.${again}`);
    } else if (message.type === "done" && message.reason === "shutdown") {
      say("The server is shutting down.");
    }
  }

  lag(decoded) {
    let when = null;
    while (this.times.length && this.times[0][0] <= decoded + 1e-3) when = this.times.shift()[1];
    if (when === null || this.what === "recording") return; // which waits on purpose
    find("lag").textContent = `${Math.round(performance.now() - when)} ms`;
  }

  finish() {
    this.tell({ type: "finish" });
    return this.closed;
  }
}

function keywords() {
  return find("keywords").value.split(",").map((text) => text.trim().toUpperCase()).filter(Boolean);
}

async function listen() {
  if (!navigator.mediaDevices) {
    say("A browser gives the microphone only to https pages and to this machine itself (localhost).");
    return;
  }
  const context = new AudioContext();
  await context.audioWorklet.addModule("worklet.js");
  const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
  // The sound as it is: what browsers do to please the ear of a caller is not what the model has learned from.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  let sound;
  try {
    sound = await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    await context.close();
    throw error;
  }
  const speech = new Transcription(context.sampleRate, "microphone");
  const stop = async () => {
    for (const track of sound.getTracks()) track.stop();
    if (context.state !== "closed") await context.close();
  };
  speech.stop = async () => {
    await stop();
    await speech.finish();
  };
  speech.closed.then(stop);
  // What is said before the server is ready waits for it.
  const early = [];
  let ready = false;
  node.port.onmessage = ({ data }) => {
    const decibel = 10 * Math.log10(Math.max(data.power, 1e-12));
    find("level").value = Math.min(1, Math.max(0, 1 + decibel / 60));
    if (ready) speech.send(data.samples);
    else early.push(data.samples);
  };
  context.createMediaStreamSource(sound).connect(node);
  await speech.ready;
  ready = true;
  for (const samples of early) speech.send(samples);
}

async function transcribe(file) {
  if (stream) await stream.stop();
  const context = new AudioContext();
  let decoded;
  try {
    decoded = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    say(`${file.name} is not a recording that this browser can read.`);
    return;
  } finally {
    await context.close();
  }
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, k) => decoded.getChannelData(k));
  const recording = new Transcription(decoded.sampleRate, "recording");
  recording.stop = () => {
    recording.socket.close();
    return recording.closed;
  };
  await recording.ready;
  const size = Math.round(decoded.sampleRate / 5);
  for (let begin = 0; begin < decoded.length && stream === recording; begin += size) {
    const block = new Int16Array(Math.min(size, decoded.length - begin));
    for (let i = 0; i < block.length; i += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[begin + i];
      block[i] = Math.max(-32768, Math.min(32767, Math.round((32768 * sum) / channels.length)));
    }
    recording.send(block);
    while (recording.socket.bufferedAmount > 1 << 20) await new Promise((go) => setTimeout(go, 20));
  }
  await recording.finish();
}

async function attempt(work) {
  say("");
  try {
    await work();
  } catch (error) {
    if (!find("message").textContent) say(MESSAGES[error.name] ?? `That did not work: ${error.message}.`);
  }
}

let pressed = false; // the button is not disabled meanwhile, or it would lose the keyboard's focus
find("microphone").onclick = async () => {
  if (pressed) return;
  pressed = true;
  await attempt(() => (stream?.stop ? stream.stop() : listen()));
  pressed = false;
};
find("file").onchange = (event) => {
  const [file] = event.target.files;
  if (file) attempt(() => transcribe(file));
  event.target.value = "";
};
find("clear").onclick = () => {
  find("transcript").replaceChildren();
  find("heard").replaceChildren();
  if (stream) stream.paragraph = null;
  say("");
};
find("keywords").onchange = () => stream?.tell({ type: "keywords", keywords: keywords() });

attempt(introduce);

const area = find("drop");
area.ondragover = (event) => {
  event.preventDefault();
  area.classList.add("over");
};
area.ondragleave = () => area.classList.remove("over");
area.ondrop = (event) => {
  event.preventDefault();
  area.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) attempt(() => transcribe(file));
};
