// Streams a WAV file (16-bit PCM) to a daemon and prints every event as a line of JSON.
//
//   npm ci && node client.js CALL.wav [HOST:PORT]
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const PROTO = path.join(__dirname, '..', '..', 'proto');
const CHUNK_SECONDS = 0.1;

/** Finds the format and the samples of a RIFF file. */
function readWav(file) {
  const bytes = fs.readFileSync(file);
  if (bytes.toString('latin1', 0, 4) !== 'RIFF') throw new Error(`${file} is not a WAV file`);
  let format = null;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = bytes.toString('latin1', at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    if (name === 'fmt ') {
      format = {
        tag: bytes.readUInt16LE(at + 8),
        channels: bytes.readUInt16LE(at + 10),
        rate: bytes.readUInt32LE(at + 12),
        bits: bytes.readUInt16LE(at + 22),
      };
    } else if (name === 'data') {
      if (format === null || format.tag !== 1 || format.bits !== 16) {
        throw new Error(`${file} is not 16-bit PCM`);
      }
      return { ...format, samples: bytes.subarray(at + 8, at + 8 + size) };
    }
    at += 8 + size + (size % 2);
  }
  throw new Error(`${file} contains no audio`);
}

async function send(call, wav) {
  const write = (message) =>
    call.write(message) ? null : new Promise((resolve) => call.once('drain', resolve));
  await write({
    config: {
      audioFormat: {
        encoding: 'ENCODING_LINEAR16',
        sampleRateHertz: wav.rate,
        channelCount: wav.channels,
      },
      windowResults: true,
    },
  });
  const frame = 2 * wav.channels;
  const chunk = Math.round(CHUNK_SECONDS * wav.rate) * frame;
  const end = wav.samples.length - (wav.samples.length % frame);
  for (let at = 0; at < end; at += chunk) {
    await write({ audio: { content: wav.samples.subarray(at, Math.min(at + chunk, end)) } });
  }
  call.end();
}

function main() {
  const [file, server = 'localhost:50051'] = process.argv.slice(2);
  if (file === undefined) {
    console.error('usage: node client.js CALL.wav [HOST:PORT]');
    process.exit(2);
  }
  let wav;
  try {
    wav = readWav(file);
  } catch (error) {
    console.error(`client: ${error.message}`);
    process.exit(1);
  }
  const definition = protoLoader.loadSync('dfd/v1/detection.proto', {
    includeDirs: [PROTO],
    enums: String,
    longs: Number,
    oneofs: true,
  });
  const { DetectionService } = grpc.loadPackageDefinition(definition).dfd.v1;
  const client = new DetectionService(server, grpc.credentials.createInsecure());
  const call = client.StreamingDetect();
  call.on('data', (answer) => {
    const kind = answer.response;
    console.log(JSON.stringify({ [kind]: answer[kind] }));
  });
  call.on('error', (error) => {
    console.error(`client: ${error.details}`);
    process.exitCode = 1;
    client.close();
  });
  call.on('end', () => client.close());
  send(call, wav);
}

main();
