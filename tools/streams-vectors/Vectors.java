import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.time.Duration;
import java.time.Instant;
import java.util.*;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;

/** Runs topologies on Java's TopologyTestDriver and prints what it does as JSON, bytes in hexadecimal. */
public class Vectors {
  static final ObjectMapper json = new ObjectMapper();
  static final ArrayNode cases = json.createArrayNode();

  static Serde<JsonNode> jsonSerde() {
    return Serdes.serdeFrom(
        (topic, value) -> { try { return value == null ? null : json.writeValueAsBytes(value); } catch (Exception e) { throw new RuntimeException(e); } },
        (topic, bytes) -> { try { return bytes == null ? null : json.readTree(bytes); } catch (Exception e) { throw new RuntimeException(e); } });
  }

  record Input(String topic, String key, String value, long timestamp) {}

  static String hex(byte[] bytes) { return bytes == null ? null : HexFormat.of().formatHex(bytes); }

  static void run(String name, Consumer<StreamsBuilder> build, Input... inputs) throws Exception {
    StreamsBuilder builder = new StreamsBuilder();
    build.accept(builder);
    Topology topology = builder.build();
    Properties config = new Properties();
    config.put("application.id", "app");
    config.put("bootstrap.servers", "unused:9092");
    config.put("statestore.cache.max.bytes", "0");
    config.put("default.key.serde", Serdes.StringSerde.class);
    config.put("default.value.serde", Serdes.StringSerde.class);
    config.put("state.dir", System.getProperty("java.io.tmpdir") + "/vectors-" + ProcessHandle.current().pid());
    ObjectNode out = cases.addObject();
    out.put("name", name);
    out.put("describe", topology.describe().toString());
    ArrayNode ins = out.putArray("inputs");
    ArrayNode steps = out.putArray("outputs");
    try (TopologyTestDriver driver = new TopologyTestDriver(topology, config, Instant.ofEpochMilli(0))) {
      for (Input input : inputs) {
        ObjectNode in = ins.addObject();
        in.put("topic", input.topic).put("key", input.key).put("value", input.value).put("timestamp", input.timestamp);
        driver.createInputTopic(input.topic, new StringSerializer(), new StringSerializer()).pipeInput(input.key, input.value, input.timestamp);
        ArrayNode step = steps.addArray();
        for (String topic : new TreeSet<>(driver.producedTopicNames())) {
          TestOutputTopic<byte[], byte[]> output = driver.createOutputTopic(topic, new ByteArrayDeserializer(), new ByteArrayDeserializer());
          while (!output.isEmpty()) {
            org.apache.kafka.streams.test.TestRecord<byte[], byte[]> record = output.readRecord();
            ObjectNode r = step.addObject();
            r.put("topic", topic).put("key", hex(record.key())).put("value", hex(record.value()));
            if (record.timestamp() != null) r.put("timestamp", record.timestamp());
            ArrayNode headers = json.createArrayNode();
            for (Header header : record.headers()) headers.addArray().add(header.key()).add(hex(header.value()));
            if (!headers.isEmpty()) r.set("headers", headers);
          }
        }
      }
    }
  }

  static Input in(String key, String value, long timestamp) { return new Input("in", key, value, timestamp); }

  public static void main(String[] args) throws Exception {
    Input[] words = {
      in("a", "one", 1000), in("b", "two", 2000), in(null, "three", 3000), in("a", "two words", 11000),
      in("a", "late", 5000), in("c", "far", 40000), in("a", "one", 40000), in("b", null, 41000), in("b", "x", 75000)
    };
    run("stateless", b -> {
      KStream<String, String> s = b.stream("in");
      s.filter((k, v) -> k != null).filterNot((k, v) -> v == null).mapValues(v -> v + "!").map((k, v) -> KeyValue.pair(v, k)).to("mapped");
      s.flatMapValues(v -> v == null ? List.of() : Arrays.asList(v.split(" "))).peek((k, v) -> {}).to("split");
      s.flatMap((k, v) -> List.of(KeyValue.pair(k, v), KeyValue.pair(v, k))).selectKey((k, v) -> v).to("doubled");
      s.foreach((k, v) -> {});
    }, words);
    run("branches", b -> {
      KStream<String, String> s = b.stream("in");
      Map<String, KStream<String, String>> m = s.split().branch((k, v) -> k == null).branch((k, v) -> v == null).defaultBranch();
      for (String name : new TreeSet<>(m.keySet())) m.get(name).to("out-" + name);
      Map<String, KStream<String, String>> n = s.split(Named.as("kind-")).branch((k, v) -> v != null && v.length() > 3, Branched.as("long")).defaultBranch(Branched.as("short"));
      n.get("kind-long").merge(n.get("kind-short")).to("merged");
    }, words);
    run("word-count", b -> b.<String, String>stream("in").filter((k, v) -> v != null).flatMapValues(v -> Arrays.asList(v.split(" "))).groupBy((k, v) -> v)
        .count().toStream().to("counts", Produced.with(Serdes.String(), Serdes.Long())), words);
    run("count-named", b -> b.<String, String>stream("in").groupBy((k, v) -> v, Grouped.as("by-word"))
        .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("words").withValueSerde(Serdes.Long())).toStream().to("counts"), Arrays.copyOf(words, 0));
    run("reduce", b -> b.<String, String>stream("in").groupByKey().reduce((x, y) -> x + "," + y).toStream().to("reduced"), words);
    run("reduce-of-changed-key", b -> b.<String, String>stream("in").selectKey((k, v) -> v).mapValues(v -> v).groupByKey().reduce((x, y) -> x).toStream().to("reduced"), words);
    run("aggregate", b -> b.<String, String>stream("in").groupByKey().aggregate(() -> "", (k, v, a) -> a + v, Materialized.as("sums")).toStream().to("sums"), words);
    run("aggregate-to-null", b -> b.<String, String>stream("in").groupByKey().aggregate(() -> "", (k, v, a) -> a.contains("two") ? null : a + v, Materialized.as("sums")).toStream().to("sums"), words);
    run("table-of-stream", b -> b.<String, String>stream("in").toTable().filter((k, v) -> v.length() > 3).mapValues(v -> v + "?").toStream().to("table"), words);
    run("table-of-stream-materialized", b -> b.<String, String>stream("in").toTable(Materialized.as("all")).filter((k, v) -> v.length() > 3, Materialized.as("long")).mapValues(v -> v + "?", Materialized.as("asked")).toStream().to("table"), words);
    run("table-of-changed-key", b -> b.<String, String>stream("in").selectKey((k, v) -> v).toTable().toStream().to("table"), words);
    run("table-of-topic", b -> { KTable<String, String> t = b.table("in"); t.filterNot((k, v) -> v.equals("two")).toStream().to("table"); b.table("other", Materialized.as("named")); }, words);
    run("repartition", b -> { KStream<String, String> s = b.stream("in"); s.repartition().to("a"); s.repartition(Repartitioned.<String, String>as("again").withNumberOfPartitions(3)).to("b"); }, words);
    Materialized<String, Long, WindowStore<Bytes, byte[]>> asWindows = Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("per-window").withValueSerde(Serdes.Long());
    Produced<Windowed<String>, Long> windowed = Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 10000), Serdes.Long());
    run("tumbling-count", b -> b.<String, String>stream("in").groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofSeconds(10))).count(asWindows).toStream().to("counts", windowed), words);
    run("hopping-count-with-grace", b -> b.<String, String>stream("in").groupByKey().windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(10)).advanceBy(Duration.ofSeconds(4))).count().toStream().to("counts", windowed), words);
    run("suppress-until-window-closes", b -> b.<String, String>stream("in").groupByKey(Grouped.with(Serdes.String(), Serdes.String())).windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofSeconds(10)))
        .count(asWindows).suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded())).toStream().to("counts", windowed), words);
    run("suppress-with-grace-named", b -> b.<String, String>stream("in").groupByKey(Grouped.with(Serdes.String(), Serdes.String())).windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(20)))
        .reduce((x, y) -> x + "," + y).suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()).withName("final")).toStream((k, v) -> k.key() + "@" + k.window().start()).to("reduced"), words);
    run("suppress-until-time-limit", b -> b.<String, String>stream("in").groupByKey(Grouped.with(Serdes.String(), Serdes.String())).count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts").withValueSerde(Serdes.Long()))
        .suppress(Suppressed.untilTimeLimit(Duration.ofSeconds(10), Suppressed.BufferConfig.unbounded())).mapValues(v -> v * 10).filter((k, v) -> v < 20).toStream().to("counted", Produced.with(Serdes.String(), Serdes.Long())), words);
    run("suppress-max-records", b -> b.<String, String>stream("in").groupByKey(Grouped.with(Serdes.String(), Serdes.String())).count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts").withValueSerde(Serdes.Long()))
        .suppress(Suppressed.untilTimeLimit(Duration.ofSeconds(1000), Suppressed.BufferConfig.maxRecords(1).emitEarlyWhenFull())).toStream().to("counted", Produced.with(Serdes.String(), Serdes.Long())), words);
    run("processor", b -> b.<String, String>stream("in").process(() -> new ContextualProcessor<String, String, String, String>() {
          public void process(Record<String, String> r) { context().forward(r.withKey("x").withTimestamp(r.timestamp() + 1)); }
        }).processValues(() -> new ContextualFixedKeyProcessor<String, String, String>() {
          public void process(FixedKeyRecord<String, String> r) { context().forward(r.withValue(r.value() + "#")); }
        }).to("processed"), words);
    run("topic-by-record", b -> b.<String, String>stream("in").filter((k, v) -> v != null).to((k, v, c) -> v.length() > 3 ? "long" : "short"), words);
    run("several-topics", b -> b.<String, String>stream(List.of("in", "other")).merge(b.stream("third")).groupByKey().count().toStream().to("counts", Produced.with(Serdes.String(), Serdes.Long())),
        in("a", "1", 1), new Input("other", "a", "2", 2), new Input("third", "a", "3", 3));
    iot();
    json.writerWithDefaultPrettyPrinter().writeValue(new File(args[0]), cases);
  }

  /** The reference pipeline's three processors, as a Java application would write them. */
  static void iot() throws Exception {
    Serde<String> string = Serdes.String();
    Serde<JsonNode> node = jsonSerde();
    String frame = "{\"id\":\"%s\",\"name\":\"s%s\",\"place_id\":\"%s\",\"timestamp\":%d,\"payload\":{\"temperature\":%d,\"humidity\":50,\"pressure\":1010,\"luminosity\":100}}";
    List<Input> inputs = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      long t = 1769846400000L + i * 60_000L;
      String id = String.valueOf(i % 3);
      inputs.add(new Input("iot-frames", id, String.format(frame, id, id, i % 3 == 2 ? "p2" : "p1", t, i), t));
    }
    run("iot", b -> {
      KStream<String, JsonNode> frames = b.stream("iot-frames", Consumed.with(string, node));
      frames.map((k, f) -> KeyValue.pair(f.get("id").asText(), f))
          .groupByKey(Grouped.with(string, node))
          .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMinutes(5)))
          .aggregate(() -> (JsonNode) json.createObjectNode().put("count", 0).put("sum", 0), Vectors::add,
              Materialized.<String, JsonNode, WindowStore<Bytes, byte[]>>as("aggregate-metrics-by-sensor-tmp").withKeySerde(string).withValueSerde(node))
          .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
          .toStream().map((k, v) -> KeyValue.pair(k.key(), v)).to("iot-aggregate-metrics-sensor", Produced.with(string, node));
      frames.map((k, f) -> KeyValue.pair(f.get("place_id").asText(), f))
          .groupByKey(Grouped.with(string, node))
          .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMinutes(5)))
          .aggregate(() -> (JsonNode) json.createObjectNode().put("count", 0).put("sum", 0), Vectors::add,
              Materialized.<String, JsonNode, WindowStore<Bytes, byte[]>>as("aggregate-metrics-by-place-tmp").withKeySerde(string).withValueSerde(node))
          .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
          .toStream().map((k, v) -> KeyValue.pair(k.key(), v)).to("iot-aggregate-metrics-place", Produced.with(string, node));
      frames.map((k, f) -> KeyValue.pair(f.get("id").asText(), (JsonNode) json.createObjectNode().put("name", "sample_sensor_metric")))
          .to("iot-metrics-time-series", Produced.with(string, node));
    }, inputs.toArray(new Input[0]));
  }

  static JsonNode add(String key, JsonNode frame, JsonNode sum) {
    return json.createObjectNode().put("count", sum.get("count").asInt() + 1).put("sum", sum.get("sum").asInt() + frame.get("payload").get("temperature").asInt());
  }
}
