// The microphone of a page: blocks of 100 ms as 16-bit samples, over a web socket of this origin.
window.dfdMicrophone = {
  async start(session) {
    await this.stop();
    try {
      if (!navigator.mediaDevices) throw new Error(
        'this browser gives a microphone only to encrypted pages or to localhost');
      this.media = await navigator.mediaDevices.getUserMedia({audio: {channelCount: 1,
        echoCancellation: false, noiseSuppression: false, autoGainControl: false}});
      this.context = new AudioContext();
      const worklet = `registerProcessor('dfd', class extends AudioWorkletProcessor {
        constructor() { super(); this.block = new Int16Array(Math.round(sampleRate / 10)); this.at = 0; }
        process(inputs) {
          for (const sample of inputs[0][0] || []) {
            this.block[this.at++] = Math.max(-1, Math.min(1, sample)) * 32767;
            if (this.at === this.block.length) { this.port.postMessage(this.block.slice()); this.at = 0; }
          }
          return true;
        }
      });`;
      await this.context.audioWorklet.addModule(
        URL.createObjectURL(new Blob([worklet], {type: 'text/javascript'})));
      const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
      const socket = this.socket = new WebSocket(
        `${scheme}://${location.host}/microphone/${session}?rate=${this.context.sampleRate}`);
      await new Promise((good, bad) => { socket.onopen = good; socket.onerror = () =>
        bad(new Error('the console is not reached')); });
      socket.onclose = () => this.release();
      const node = new AudioWorkletNode(this.context, 'dfd', {numberOfOutputs: 0});
      node.port.onmessage = message => {
        if (socket.readyState === WebSocket.OPEN) socket.send(message.data.buffer);
      };
      this.context.createMediaStreamSource(this.media).connect(node);
      await this.context.resume();
    } catch (error) {
      this.release();
      emitEvent('dfd_microphone_failed', String(error.message || error.name));
    }
  },
  async stop() {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send('finish');
    this.release();
  },
  release() {
    for (const track of this.media ? this.media.getTracks() : []) track.stop();
    if (this.context && this.context.state !== 'closed') this.context.close();
    this.media = this.context = null;
  },
};
