// The Java side of `npm run bench -- streams`; its twin is application.ts.
//
// java StreamsBenchmark CASE SERVERS APPLICATION_ID GUARANTEE STATE_FOLDER RECORDS
//
// Prints a line of JSON when it runs, and one when all records are processed and committed.

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

public class StreamsBenchmark {
  static final ObjectMapper json = new ObjectMapper();

  public static class Payload { public int temperature, humidity, pressure, luminosity; }
  public static class Frame { public String id, name, place_id, boot; public long timestamp; public Payload payload; }
  public static class Sample { public String sensor, place; public long timestamp; public double fahrenheit; }
  public static class Sums { public long count, temperature, humidity; }
  public static class Place { public String place, floor, building; }
  public static class Joint { public String sensor, building; public long timestamp; public int temperature; }

  static <T> Serde<T> of(Class<T> type) {
    Serializer<T> write = (topic, value) -> {
      try { return value == null ? null : json.writeValueAsBytes(value); } catch (Exception e) { throw new RuntimeException(e); }
    };
    Deserializer<T> read = (topic, bytes) -> {
      try { return bytes == null ? null : json.readValue(bytes, type); } catch (Exception e) { throw new RuntimeException(e); }
    };
    return Serdes.serdeFrom(write, read);
  }

  public static void main(String[] args) throws Exception {
    String name = args[0];
    long total = Long.parseLong(args[5]);
    Properties config = new Properties();
    config.put("application.id", args[2]);
    config.put("bootstrap.servers", args[1]);
    config.put("processing.guarantee", args[3]);
    config.put("state.dir", args[4]);
    config.put("auto.offset.reset", "earliest");
    config.put("commit.interval.ms", args[3].equals("exactly_once_v2") ? "100" : "1000");
    config.put("default.key.serde", Serdes.StringSerde.class);
    config.put("default.value.serde", Serdes.StringSerde.class);

    AtomicLong count = new AtomicLong();
    AtomicLong firstNs = new AtomicLong();
    CountDownLatch done = new CountDownLatch(1);
    Runnable counted = () -> {
      long n = count.incrementAndGet();
      if (n == 1) firstNs.set(System.nanoTime());
      if (n == total) done.countDown();
    };

    StreamsBuilder builder = new StreamsBuilder();
    if (name.equals("restore")) {
      builder.stream("places", Consumed.with(Serdes.String(), of(Place.class)))
          .groupByKey().reduce((a, b) -> b, Materialized.as("kept"));
    } else {
      KStream<String, Frame> frames = builder.stream("frames", Consumed.with(Serdes.String(), of(Frame.class)))
          .peek((key, frame) -> counted.run());
      switch (name) {
        case "map" -> frames.mapValues(frame -> {
          Sample sample = new Sample();
          sample.sensor = frame.name;
          sample.place = frame.place_id;
          sample.timestamp = frame.timestamp;
          sample.fahrenheit = frame.payload.temperature * 1.8 + 32;
          return sample;
        }).to(args[2] + "-out", Produced.with(Serdes.String(), of(Sample.class)));
        case "window" -> frames.groupByKey(Grouped.with(Serdes.String(), of(Frame.class)))
            .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMinutes(1)))
            .aggregate(Sums::new, (key, frame, sums) -> {
              Sums next = new Sums();
              next.count = sums.count + 1;
              next.temperature = sums.temperature + frame.payload.temperature;
              next.humidity = sums.humidity + frame.payload.humidity;
              return next;
            }, Materialized.<String, Sums, org.apache.kafka.streams.state.WindowStore<org.apache.kafka.common.utils.Bytes, byte[]>>as("sums").withKeySerde(Serdes.String()).withValueSerde(of(Sums.class)))
            .toStream((windowed, sums) -> windowed.key())
            .to(args[2] + "-out", Produced.with(Serdes.String(), of(Sums.class)));
        case "join" -> frames.join(
            builder.table("places", Consumed.with(Serdes.String(), of(Place.class)), Materialized.as("places-by-sensor")),
            (frame, place) -> {
              Joint joint = new Joint();
              joint.sensor = frame.name;
              joint.building = place.building;
              joint.timestamp = frame.timestamp;
              joint.temperature = frame.payload.temperature;
              return joint;
            }, Joined.with(Serdes.String(), of(Frame.class), of(Place.class)))
            .to(args[2] + "-out", Produced.with(Serdes.String(), of(Joint.class)));
        default -> throw new IllegalArgumentException(name);
      }
    }
    KafkaStreams streams = new KafkaStreams(builder.build(), config);
    long startNs = System.nanoTime();
    AtomicLong restoreMs = new AtomicLong();
    CountDownLatch running = new CountDownLatch(1);
    streams.setStateListener((next, previous) -> { if (next == KafkaStreams.State.RUNNING) running.countDown(); });
    streams.setGlobalStateRestoreListener(new org.apache.kafka.streams.processor.StateRestoreListener() {
      long beganNs;
      public synchronized void onRestoreStart(org.apache.kafka.common.TopicPartition p, String s, long from, long to) { if (beganNs == 0) beganNs = System.nanoTime(); }
      public void onBatchRestored(org.apache.kafka.common.TopicPartition p, String s, long to, long n) {}
      public synchronized void onRestoreEnd(org.apache.kafka.common.TopicPartition p, String s, long n) { restoreMs.set((System.nanoTime() - beganNs) / 1_000_000); }
    });
    streams.setUncaughtExceptionHandler((Throwable error) -> {
      error.printStackTrace();
      System.exit(1);
      return null;
    });
    streams.start();
    running.await();
    if (!name.equals("restore")) done.await();
    // Or the next member of the group waits until the session of this one ends.
    streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
    long endNs = System.nanoTime();
    long elapsedMs = name.equals("restore") ? restoreMs.get() : (endNs - firstNs.get()) / 1_000_000;
    String status = Files.readString(Path.of("/proc/self/status"), StandardCharsets.UTF_8);
    long peakKib = status.lines().filter(l -> l.startsWith("VmHWM")).mapToLong(l -> Long.parseLong(l.replaceAll("\\D+", ""))).sum();
    long cpuMs = ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO).toMillis();
    System.out.println(json.writeValueAsString(Map.of("elapsedMs", elapsedMs, "cpuMs", cpuMs, "peakMiB", peakKib / 1024)));
    System.exit(0);
  }
}
