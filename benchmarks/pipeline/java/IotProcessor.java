package khlong.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.WindowStore;

/** pipelines/iot/streams/iot-processor.ts in Java. Arguments: BOOTSTRAP_SERVERS STATE_FOLDER WINDOW_MS. */
public class IotProcessor {
  public record Measures(double temperature, double humidity, double pressure, double luminosity) {}
  public record Reading(String name, Measures measures) {}
  public record Sums(String name, long count, double temperature, double humidity, double pressure, double luminosity) {
    Sums plus(Reading reading) {
      Measures one = reading.measures;
      return new Sums(reading.name, count + 1, temperature + one.temperature, humidity + one.humidity,
          pressure + one.pressure, luminosity + one.luminosity);
    }
  }
  public record Frame(String id, String name, String placeId, long timestamp, Measures payload) {}

  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "iot-processor");
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[1]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);

    TimeWindows windows = TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(Long.parseLong(arguments[2])));
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, Frame> frames =
        builder.stream("iot-frames", Consumed.with(Serdes.String(), Serdes.ByteArray())).mapValues(IotProcessor::frameOf);
    sum(frames.map((key, frame) -> KeyValue.pair(frame.id, readingOf(frame))), "aggregate-metrics-by-sensor-tmp", windows)
        .map((key, sums) -> KeyValue.pair(key.key(), metrics(key, sums, Map.of("sensor_id", key.key(), "sensor_name", sums.name))))
        .to("iot-aggregate-metrics-sensor", Produced.with(Serdes.String(), Serdes.ByteArray()));
    sum(frames.map((key, frame) -> KeyValue.pair(frame.placeId, readingOf(frame))), "aggregate-metrics-by-place-tmp", windows)
        .map((key, sums) -> KeyValue.pair(key.key(), metrics(key, sums, Map.of("place_id", key.key()))))
        .to("iot-aggregate-metrics-place", Produced.with(Serdes.String(), Serdes.ByteArray()));
    frames.map((key, frame) -> KeyValue.pair(frame.id, sample(frame)))
        .to("iot-metrics-time-series", Produced.with(Serdes.String(), Serdes.ByteArray()));

    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }

  private static KStream<Windowed<String>, Sums> sum(KStream<String, Reading> stream, String store, TimeWindows windows) {
    return stream
        .groupByKey(Grouped.with(Serdes.String(), serde(Reading.class)))
        .windowedBy(windows)
        .aggregate(() -> new Sums("", 0, 0, 0, 0, 0), (key, reading, sums) -> sums.plus(reading),
            Materialized.<String, Sums, WindowStore<org.apache.kafka.common.utils.Bytes, byte[]>>as(store)
                .withKeySerde(Serdes.String()).withValueSerde(serde(Sums.class)))
        .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()))
        .toStream();
  }

  private static Frame frameOf(byte[] text) {
    try {
      JsonNode frame = JSON.readTree(text);
      return new Frame(frame.path("id").asText(), frame.path("name").asText(), frame.path("place_id").asText(),
          frame.path("timestamp").asLong(), JSON.treeToValue(frame.path("payload"), Measures.class));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static Reading readingOf(Frame frame) {
    return new Reading(frame.name, frame.payload);
  }

  private static byte[] metrics(Windowed<String> key, Sums sums, Map<String, String> of) {
    Map<String, Object> result = new LinkedHashMap<>(of);
    result.put("start_agg", key.window().start());
    result.put("start_agg_tm", Instant.ofEpochMilli(key.window().start()).toString());
    result.put("end_agg", key.window().end());
    result.put("end_agg_tm", Instant.ofEpochMilli(key.window().end()).toString());
    result.put("count_measures", sums.count);
    result.put("sum_temperature", sums.temperature);
    result.put("sum_humidity", sums.humidity);
    result.put("sum_pressure", sums.pressure);
    result.put("sum_luminosity", sums.luminosity);
    result.put("avg_temperature", sums.temperature / sums.count);
    result.put("avg_humidity", sums.humidity / sums.count);
    result.put("avg_pressure", sums.pressure / sums.count);
    result.put("avg_luminosity", sums.luminosity / sums.count);
    return bytes(result);
  }

  private static byte[] sample(Frame frame) {
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("name", "sample_sensor_metric");
    result.put("type", "sensor");
    result.put("timestamp", frame.timestamp);
    result.put("dimensions", Map.of("sensor_id", frame.id, "sensor_name", frame.name, "place_id", frame.placeId));
    result.put("values", frame.payload);
    return bytes(result);
  }

  private static byte[] bytes(Object value) {
    try {
      return JSON.writeValueAsBytes(value);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static <T> Serde<T> serde(Class<T> type) {
    return Serdes.serdeFrom((topic, value) -> value == null ? null : bytes(value), (topic, text) -> {
      try {
        return text == null ? null : JSON.readValue(text, type);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    });
  }
}
