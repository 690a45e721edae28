// Hands what the microphone gives to the page, 50 ms at a time, as 16-bit samples.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 20));
    this.filled = 0;
    this.power = 0;
  }

  process(inputs) {
    const channels = inputs[0];
    for (let i = 0; channels.length && i < channels[0].length; i += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      const value = Math.max(-1, Math.min(1, sum / channels.length));
      this.power += value * value;
      this.block[this.filled] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
      this.filled += 1;
      if (this.filled === this.block.length) this.flush();
    }
    return true;
  }

  flush() {
    const samples = this.block.slice();
    const power = this.power / this.filled;
    this.port.postMessage({ samples, power }, [samples.buffer]);
    this.filled = 0;
    this.power = 0;
  }
}

registerProcessor("recorder", Recorder);
