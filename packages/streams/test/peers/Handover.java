import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.WindowStore;

/** The application of handover-topology.ts in Java: BOOTSTRAP APPLICATION_ID STATE_DIR. Says what it measures when it runs. */
public class Handover {
  public static void main(String[] args) {
    String id = args[1];
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("application.id", id);
    config.put("state.dir", args[2]);
    config.put("processing.guarantee", "exactly_once_v2");
    config.put("statestore.cache.max.bytes", "0");
    config.put("metrics.recording.level", "DEBUG");
    config.put("session.timeout.ms", "6000");
    config.put("heartbeat.interval.ms", "500");
    Serde<String> text = Serdes.String();
    StreamsBuilder builder = new StreamsBuilder();
    KGroupedStream<String, String> places =
        builder.stream(id + "-readings", Consumed.with(text, text))
            .groupBy((key, reading) -> "place " + key.charAt(key.length() - 1), Grouped.with("by-place", text, text));
    places
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(30), Duration.ofMinutes(5)))
        .aggregate(
            () -> "0 0",
            (place, reading, sums) -> {
              String[] parts = sums.split(" ");
              return (Long.parseLong(parts[0]) + 1) + " " + (Long.parseLong(parts[1]) + Long.parseLong(reading));
            },
            Materialized.<String, String, WindowStore<Bytes, byte[]>>as("sums").withKeySerde(text).withValueSerde(text))
        .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
        .toStream((windowed, sums) -> windowed.key() + "@" + windowed.window().start())
        .to(id + "-sums", Produced.with(text, text));
    places
        .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts").withKeySerde(text))
        .toStream()
        .to(id + "-counts", Produced.with(text, Serdes.Long()));
    // For what they measure.
    places
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(30), Duration.ofMinutes(5)))
        .emitStrategy(EmitStrategy.onWindowClose())
        .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("finals").withKeySerde(text));
    places
        .windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofSeconds(30), Duration.ofMinutes(5)))
        .count(Materialized.<String, Long, SessionStore<Bytes, byte[]>>as("sessions").withKeySerde(text));
    KafkaStreams streams = new KafkaStreams(builder.build(), config);
    streams.setStateListener((state, before) -> {
      if (state != KafkaStreams.State.RUNNING) return;
      streams.metrics().keySet().stream()
          .filter(name -> name.group().startsWith("stream-"))
          .map(name -> "metric " + name.group() + " " + name.name() + " " + String.join(",", new java.util.TreeSet<>(name.tags().keySet())))
          .distinct()
          .forEach(System.out::println);
      System.out.println("handover runs");
    });
    streams.start();
  }
}
