// Streams a WAV file (16-bit PCM) to a daemon and prints alerts and the verdict.
//
// README.md in the folder above says how the stubs are generated.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"google.golang.org/grpc"

	pb "example.com/dfd/dfdv1"
)

type wav struct {
	channels, rate int32
	samples        []byte
}

// readWav finds the format and the samples of a RIFF file.
func readWav(path string) (wav, error) {
	var found wav
	content, err := os.ReadFile(path)
	if err != nil {
		return found, err
	}
	if !bytes.HasPrefix(content, []byte("RIFF")) {
		return found, fmt.Errorf("%s is not a WAV file", path)
	}
	for at := 12; at+8 <= len(content); {
		size := int(binary.LittleEndian.Uint32(content[at+4:]))
		body := content[at+8:]
		switch string(content[at : at+4]) {
		case "fmt ":
			if binary.LittleEndian.Uint16(body) != 1 || binary.LittleEndian.Uint16(body[14:]) != 16 {
				return found, fmt.Errorf("%s is not 16-bit PCM", path)
			}
			found.channels = int32(binary.LittleEndian.Uint16(body[2:]))
			found.rate = int32(binary.LittleEndian.Uint32(body[4:]))
		case "data":
			if size > len(body) {
				size = len(body)
			}
			found.samples = body[:size-size%(2*int(found.channels))]
			return found, nil
		}
		at += 8 + size + size%2
	}
	return found, fmt.Errorf("%s contains no audio", path)
}

func send(stream pb.DetectionService_StreamingDetectClient, audio wav) error {
	config := &pb.StreamingDetectConfig{AudioFormat: &pb.AudioFormat{
		Encoding:        pb.AudioFormat_ENCODING_LINEAR16,
		SampleRateHertz: audio.rate,
		ChannelCount:    audio.channels,
	}}
	first := &pb.StreamingDetectRequest{Request: &pb.StreamingDetectRequest_Config{Config: config}}
	if err := stream.Send(first); err != nil {
		return err
	}
	step := int(audio.rate/10) * 2 * int(audio.channels)
	for at := 0; at < len(audio.samples); at += step {
		end := at + step
		if end > len(audio.samples) {
			end = len(audio.samples)
		}
		chunk := &pb.AudioChunk{Content: audio.samples[at:end]}
		next := &pb.StreamingDetectRequest{Request: &pb.StreamingDetectRequest_Audio{Audio: chunk}}
		if err := stream.Send(next); err != nil {
			return err
		}
	}
	return stream.CloseSend()
}

func run(path, address string) error {
	audio, err := readWav(path)
	if err != nil {
		return err
	}
	// without TLS; every grpc-go 1.x has this option, Debian's too
	connection, err := grpc.Dial(address, grpc.WithInsecure())
	if err != nil {
		return err
	}
	defer connection.Close()
	stream, err := pb.NewDetectionServiceClient(connection).StreamingDetect(context.Background())
	if err != nil {
		return err
	}
	// Recv returns the reason of a refusal in full
	go send(stream, audio)
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if alert := response.GetAlert(); alert != nil && !alert.Cleared {
			fmt.Printf("alert at %s: %.2f\n", alert.Offset.AsDuration(), alert.Score.SpoofProbability)
		}
		for _, channel := range response.GetSummary().GetChannels() {
			score := channel.GetCumulativeScore().GetSpoofProbability()
			fmt.Printf("channel %d: %s, P(spoof) %.3f\n", channel.Channel, channel.Verdict, score)
		}
	}
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: client CALL.wav [HOST:PORT]")
	}
	address := "localhost:50051"
	if len(os.Args) > 2 {
		address = os.Args[2]
	}
	if err := run(os.Args[1], address); err != nil {
		log.Fatal(err)
	}
}
