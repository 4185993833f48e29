import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.errors.TopologyException;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorSupplier;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.test.TestRecord;

/** Builds the topologies that a JSON file describes and says what Java's TopologyTestDriver makes of their inputs. */
@SuppressWarnings({"unchecked", "rawtypes"})
public class Parity {
  static final ObjectMapper json = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    ArrayNode out = json.createArrayNode();
    for (JsonNode one : json.readTree(new File(args[0]))) out.add(run(one));
    json.writeValue(new File(args[1]), out);
  }

  static ObjectNode run(JsonNode one) throws Exception {
    ObjectNode result = json.createObjectNode();
    result.put("name", one.get("name").asText());
    Topology topology;
    try {
      StreamsBuilder builder = new StreamsBuilder();
      new Parity(builder).build(one.get("steps"));
      topology = builder.build();
    } catch (TopologyException error) {
      result.put("describe", "").put("error", error.getMessage()).putArray("outputs");
      return result;
    }
    result.put("describe", topology.describe().toString());
    Properties config = new Properties();
    config.put("application.id", "app");
    config.put("bootstrap.servers", "unused:9092");
    config.put("statestore.cache.max.bytes", one.path("cacheBytes").asText("0"));
    config.put("default.key.serde", Serdes.StringSerde.class);
    config.put("default.value.serde", Serdes.StringSerde.class);
    Path state = Files.createTempDirectory("parity");
    config.put("state.dir", state.toString());
    ArrayNode steps = result.putArray("outputs");
    try (TopologyTestDriver driver = new TopologyTestDriver(topology, config, Instant.ofEpochMilli(0))) {
      for (JsonNode input : one.get("inputs")) {
        try {
          if (input.isNumber()) driver.advanceWallClockTime(Duration.ofMillis(input.asLong()));
          else pipe(driver, input);
        } catch (RuntimeException error) {
          result.put("error", deepest(error));
          break;
        }
        steps.add(produced(driver));
      }
    } finally {
      delete(state.toFile());
    }
    return result;
  }

  static String deepest(Throwable error) {
    while (error.getCause() != null) error = error.getCause();
    return error.getClass().getSimpleName() + ": " + error.getMessage();
  }

  static void delete(File file) {
    File[] children = file.listFiles();
    if (children != null) for (File child : children) delete(child);
    file.delete();
  }

  static void pipe(TopologyTestDriver driver, JsonNode input) {
    RecordHeaders headers = new RecordHeaders();
    if (input.size() > 4) for (JsonNode header : input.get(4)) headers.add(header.get(0).asText(), bytes(header.get(1)));
    driver.createInputTopic(input.get(0).asText(), new ByteArraySerializer(), new ByteArraySerializer())
        .pipeInput(new TestRecord<>(bytes(input.get(1)), bytes(input.get(2)), headers, input.get(3).asLong()));
  }

  static byte[] bytes(JsonNode text) { return text.isNull() ? null : text.asText().getBytes(StandardCharsets.UTF_8); }
  static String text(byte[] bytes) { return bytes == null ? null : new String(bytes, StandardCharsets.ISO_8859_1); }

  static ArrayNode produced(TopologyTestDriver driver) {
    ArrayNode step = json.createArrayNode();
    for (String topic : new TreeSet<>(driver.producedTopicNames())) {
      TestOutputTopic<byte[], byte[]> output = driver.createOutputTopic(topic, new ByteArrayDeserializer(), new ByteArrayDeserializer());
      while (!output.isEmpty()) {
        TestRecord<byte[], byte[]> record = output.readRecord();
        ArrayNode r = step.addArray();
        r.add(topic).add(text(record.key())).add(text(record.value())).add(record.timestamp());
        if (record.headers().toArray().length > 0) {
          ArrayNode headers = r.addArray();
          for (Header header : record.headers()) headers.addArray().add(header.key()).add(text(header.value()));
        }
      }
    }
    return step;
  }

  final StreamsBuilder builder;
  final Map<String, Object> made = new HashMap<>();

  Parity(StreamsBuilder builder) { this.builder = builder; }

  void build(JsonNode steps) {
    Object last = null;
    for (JsonNode step : steps) {
      Object from = step.has("from") ? made.get(step.get("from").asText()) : last;
      last = make(step.get("op").asText(), from, step);
      if (step.has("id")) made.put(step.get("id").asText(), last);
    }
  }

  Object make(String op, Object from, JsonNode p) {
    if (from instanceof KStream s) { Object made = ofStream(op, s, p); if (made != null) return made; }
    if (from instanceof KTable t) { Object made = ofTable(op, t, p); if (made != null) return made; }
    if (from instanceof KGroupedStream g) { Object made = ofGroup(op, g, p); if (made != null) return made; }
    if (from instanceof KGroupedTable g) return ofGroupedTable(op, g, p);
    if (from instanceof TimeWindowedKStream w) return ofWindowed(op, w, p);
    if (from instanceof SessionWindowedKStream w) return ofSessions(op, w, p);
    if (from instanceof CogroupedKStream c) return ofCogroup(op, c, p);
    return switch (op) {
      case "stream" -> builder.stream(texts(p.get("topics")), name(p) == null ? Consumed.with(null, null) : Consumed.as(name(p)));
      case "table" -> isKept(p) ? builder.table(p.get("topic").asText(), consumed(p), kept(p)) : builder.table(p.get("topic").asText(), consumed(p));
      case "globalTable" -> isKept(p) ? builder.globalTable(p.get("topic").asText(), consumed(p), kept(p)) : builder.globalTable(p.get("topic").asText(), consumed(p));
      default -> throw new IllegalArgumentException(op);
    };
  }

  Consumed consumed(JsonNode p) { return name(p) == null ? Consumed.with(null, null) : Consumed.as(name(p)); }

  Object ofStream(String op, KStream s, JsonNode p) {
    String fn = p.path("fn").asText();
    Object with = p.has("with") && p.get("with").isTextual() ? made.get(p.get("with").asText()) : null;
    Named named = name(p) == null ? null : Named.as(name(p));
    switch (op) {
      case "filter": return named == null ? s.filter(predicate(fn)) : s.filter(predicate(fn), named);
      case "filterNot": return s.filterNot(predicate(fn));
      case "mapValues": return named == null ? s.mapValues(mapper(fn)) : s.mapValues(mapper(fn), named);
      case "map": return s.map((k, v) -> pair(fn, k, v));
      case "selectKey": return named == null ? s.selectKey((k, v) -> pair(fn, k, v).key) : s.selectKey((k, v) -> pair(fn, k, v).key, named);
      case "flatMapValues": return s.flatMapValues(v -> v == null ? List.of() : Arrays.asList(String.valueOf(v).split(" ")));
      case "flatMap": return s.flatMap((k, v) -> List.of(KeyValue.pair(k, v), KeyValue.pair(v, k)));
      case "peek": return s.peek((k, v) -> {});
      case "foreach": s.foreach((k, v) -> {}); return s;
      case "print": s.print(Printed.toFile("/dev/null")); return s;
      case "merge": return s.merge((KStream) with);
      case "branch": {
        Map<String, KStream> branches = s.split().branch(predicate(fn)).defaultBranch();
        List<String> names = new ArrayList<>(branches.keySet());
        Collections.sort(names);
        made.put(p.get("rest").asText(), branches.get(names.get(0)));
        return branches.get(names.get(1));
      }
      case "repartition": {
        Repartitioned r = name(p) == null ? Repartitioned.with(null, null) : Repartitioned.as(name(p));
        return s.repartition(p.has("partitions") ? r.withNumberOfPartitions(p.get("partitions").asInt()) : r);
      }
      case "toTable": return isKept(p) ? s.toTable(kept(p)) : named == null ? s.toTable() : s.toTable(named);
      case "groupByKey": return named == null ? s.groupByKey() : s.groupByKey(Grouped.as(name(p)));
      case "groupBy": return named == null ? s.groupBy((k, v) -> pair(fn, k, v).key) : s.groupBy((k, v) -> pair(fn, k, v).key, Grouped.as(name(p)));
      case "join": case "leftJoin": case "outerJoin": return join(op, s, with, p);
      case "process": {
        ProcessorSupplier supplier = () -> new ContextualProcessor() {
          public void process(Record r) { context().forward(r.withKey(pair(fn, r.key(), r.value()).key).withTimestamp(r.timestamp() + 1)); }
        };
        return named == null ? s.process(supplier) : s.process(supplier, named);
      }
      case "processValues": {
        FixedKeyProcessorSupplier supplier = () -> new ContextualFixedKeyProcessor() {
          public void process(FixedKeyRecord r) { context().forward(r.withValue(r.value() + "#")); }
        };
        return named == null ? s.processValues(supplier) : s.processValues(supplier, named);
      }
      case "to": s.to(p.get("topic").asText(), produced(p)); return s;
      default: return null;
    }
  }

  Object join(String op, KStream s, Object with, JsonNode p) {
    if (with instanceof KTable t) {
      Joined joined = name(p) == null ? Joined.with(null, null, null) : Joined.as(name(p));
      return op.equals("join") ? s.join(t, Parity::joined, joined) : s.leftJoin(t, Parity::joined, joined);
    }
    if (with instanceof GlobalKTable t) {
      KeyValueMapper keyOf = (k, v) -> pair(p.path("fn").asText("keep"), k, v).key;
      return op.equals("join") ? s.join(t, keyOf, (ValueJoiner) Parity::joined) : s.leftJoin(t, keyOf, (ValueJoiner) Parity::joined);
    }
    JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(Duration.ZERO, ms(p, "grace")).before(ms(p, "before")).after(ms(p, "after"));
    StreamJoined joined = StreamJoined.with(null, null, null);
    if (name(p) != null) joined = joined.withName(name(p));
    if (p.has("store")) joined = joined.withStoreName(p.get("store").asText());
    ValueJoiner joiner = Parity::joined;
    return switch (op) {
      case "join" -> s.join((KStream) with, joiner, windows, joined);
      case "leftJoin" -> s.leftJoin((KStream) with, joiner, windows, joined);
      default -> s.outerJoin((KStream) with, joiner, windows, joined);
    };
  }

  Object ofTable(String op, KTable t, JsonNode p) {
    String fn = p.path("fn").asText();
    Object with = p.has("with") ? made.get(p.get("with").asText()) : null;
    boolean isKept = isKept(p);
    switch (op) {
      case "filter": return isKept ? t.filter(predicate(fn), kept(p)) : t.filter(predicate(fn));
      case "filterNot": return isKept ? t.filterNot(predicate(fn), kept(p)) : t.filterNot(predicate(fn));
      case "mapValues": return isKept ? t.mapValues(mapper(fn), kept(p)) : t.mapValues(mapper(fn));
      case "toStream": {
        KeyValueMapper keyOf = (k, v) -> pair(fn, k, v).key;
        Named named = name(p) == null ? null : Named.as(name(p));
        if (p.has("fn")) return named == null ? t.toStream(keyOf) : t.toStream(keyOf, named);
        return named == null ? t.toStream() : t.toStream(named);
      }
      case "groupBy": return name(p) == null ? t.groupBy((k, v) -> pair(fn, k, v)) : t.groupBy((k, v) -> pair(fn, k, v), Grouped.as(name(p)));
      case "join": case "leftJoin": case "outerJoin": {
        ValueJoiner joiner = Parity::joined;
        Materialized kept = isKept ? kept(p) : null;
        Named named = name(p) == null ? null : Named.as(name(p));
        KTable other = (KTable) with;
        if (op.equals("join")) return named == null ? (isKept ? t.join(other, joiner, kept) : t.join(other, joiner)) : isKept ? t.join(other, joiner, named, kept) : t.join(other, joiner, named);
        if (op.equals("leftJoin")) return named == null ? (isKept ? t.leftJoin(other, joiner, kept) : t.leftJoin(other, joiner)) : isKept ? t.leftJoin(other, joiner, named, kept) : t.leftJoin(other, joiner, named);
        return named == null ? (isKept ? t.outerJoin(other, joiner, kept) : t.outerJoin(other, joiner)) : isKept ? t.outerJoin(other, joiner, named, kept) : t.outerJoin(other, joiner, named);
      }
      case "suppress": return t.suppress(suppressed(p));
      default: return null;
    }
  }

  static Suppressed suppressed(JsonNode p) {
    boolean isShutDown = p.path("whenFull").asText().equals("shut-down");
    Suppressed suppressed;
    if (p.has("limit")) {
      Suppressed.EagerBufferConfig eager = null;
      if (p.has("records")) eager = Suppressed.BufferConfig.maxRecords(p.get("records").asLong());
      if (p.has("bytes")) eager = eager == null ? Suppressed.BufferConfig.maxBytes(p.get("bytes").asLong()) : eager.withMaxBytes(p.get("bytes").asLong());
      Suppressed.BufferConfig config = eager == null ? Suppressed.BufferConfig.unbounded() : isShutDown ? eager.shutDownWhenFull() : eager.emitEarlyWhenFull();
      suppressed = Suppressed.untilTimeLimit(ms(p, "limit"), config);
    } else {
      Suppressed.StrictBufferConfig strict = Suppressed.BufferConfig.unbounded();
      if (p.has("records")) strict = Suppressed.BufferConfig.maxRecords(p.get("records").asLong()).shutDownWhenFull();
      if (p.has("bytes")) strict = Suppressed.BufferConfig.maxBytes(p.get("bytes").asLong()).shutDownWhenFull();
      suppressed = Suppressed.untilWindowCloses(strict);
    }
    return name(p) == null ? suppressed : suppressed.withName(name(p));
  }

  Object ofGroup(String op, KGroupedStream g, JsonNode p) {
    switch (op) {
      case "count": return isKept(p) ? g.count(countKept(p)) : named(p) == null ? g.count() : g.count(named(p));
      case "reduce": return isKept(p) ? g.reduce(Parity::joined, kept(p)) : g.reduce(Parity::joined);
      case "aggregate": return isKept(p) ? g.aggregate(() -> "", aggregator(p), kept(p)) : g.aggregate(() -> "", aggregator(p));
      case "windowedBy": {
        if (p.has("gap")) {
          SessionWindowedKStream w = g.windowedBy(SessionWindows.ofInactivityGapAndGrace(ms(p, "gap"), ms(p, "grace")));
          return isFinal(p) ? w.emitStrategy(EmitStrategy.onWindowClose()) : w;
        }
        TimeWindowedKStream w = p.has("difference")
            ? g.windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(ms(p, "difference"), ms(p, "grace")))
            : g.windowedBy(timeWindows(p));
        return isFinal(p) ? w.emitStrategy(EmitStrategy.onWindowClose()) : w;
      }
      case "cogroup": {
        CogroupedKStream c = g.cogroup(aggregator(p));
        for (JsonNode with : p.get("with")) c = c.cogroup((KGroupedStream) made.get(with.asText()), (k, v, a) -> a + "-" + v);
        return c;
      }
      default: return null;
    }
  }

  static boolean isFinal(JsonNode p) { return p.path("emit").asText().equals("on-window-close"); }

  static TimeWindows timeWindows(JsonNode p) {
    TimeWindows windows = TimeWindows.ofSizeAndGrace(ms(p, "size"), ms(p, "grace"));
    return p.has("advance") ? windows.advanceBy(ms(p, "advance")) : windows;
  }

  Object ofWindowed(String op, TimeWindowedKStream w, JsonNode p) {
    return switch (op) {
      case "count" -> isKept(p) ? w.count(countKept(p)) : w.count();
      case "reduce" -> isKept(p) ? w.reduce(Parity::joined, kept(p)) : w.reduce(Parity::joined);
      default -> isKept(p) ? w.aggregate(() -> "", aggregator(p), kept(p)) : w.aggregate(() -> "", aggregator(p));
    };
  }

  Object ofSessions(String op, SessionWindowedKStream w, JsonNode p) {
    Merger merger = (k, a, b) -> a + "|" + b;
    return switch (op) {
      case "count" -> isKept(p) ? w.count(countKept(p)) : w.count();
      case "reduce" -> isKept(p) ? w.reduce(Parity::joined, kept(p)) : w.reduce(Parity::joined);
      default -> isKept(p) ? w.aggregate(() -> "", aggregator(p), merger, kept(p)) : w.aggregate(() -> "", aggregator(p), merger);
    };
  }

  Object ofCogroup(String op, CogroupedKStream c, JsonNode p) {
    Materialized kept = kept(p);
    Initializer initial = () -> "";
    if (p.has("gap")) return c.windowedBy(SessionWindows.ofInactivityGapAndGrace(ms(p, "gap"), ms(p, "grace"))).aggregate(initial, (Merger) (k, a, b) -> a + "|" + b, kept);
    if (p.has("difference")) return c.windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(ms(p, "difference"), ms(p, "grace"))).aggregate(initial, kept);
    if (p.has("size")) return c.windowedBy(timeWindows(p)).aggregate(initial, kept);
    return name(p) == null ? c.aggregate(initial, kept) : c.aggregate(initial, Named.as(name(p)), kept);
  }

  Object ofGroupedTable(String op, KGroupedTable g, JsonNode p) {
    Named named = name(p) == null ? null : Named.as(name(p));
    Aggregator subtractor = (k, v, a) -> a + "-" + v;
    return switch (op) {
      case "count" -> named == null ? g.count(countKept(p)) : g.count(named, countKept(p));
      case "reduce" -> g.reduce(Parity::joined, (a, b) -> a + "-" + b, kept(p));
      default -> named == null ? g.aggregate(() -> "", aggregator(p), subtractor, kept(p)) : g.aggregate(() -> "", aggregator(p), subtractor, named, kept(p));
    };
  }

  static Named named(JsonNode p) { return p.has("name") ? Named.as(name(p)) : null; }
  static String name(JsonNode p) { return p.has("name") ? p.get("name").asText() : null; }
  static Duration ms(JsonNode p, String key) { return Duration.ofMillis(p.path(key).asLong(0)); }
  static List<String> texts(JsonNode list) { List<String> texts = new ArrayList<>(); for (JsonNode one : list) texts.add(one.asText()); return texts; }
  static boolean isKept(JsonNode p) { return p.has("store") || p.has("isKept"); }
  static Materialized cachedOr(JsonNode p, Materialized kept) { return p.has("isUncached") ? kept.withCachingDisabled() : kept; }
  static Materialized kept(JsonNode p) { return cachedOr(p, p.has("store") ? Materialized.as(p.get("store").asText()) : Materialized.with((Serde) Serdes.String(), null)); }
  static Materialized countKept(JsonNode p) { return cachedOr(p, p.has("store") ? Materialized.as(p.get("store").asText()).withValueSerde((Serde) Serdes.Long()) : Materialized.with((Serde) Serdes.String(), (Serde) Serdes.Long())); }

  static Produced produced(JsonNode p) {
    String key = p.path("key").asText();
    Serde keySerde = key.equals("session") ? WindowedSerdes.sessionWindowedSerdeFrom(String.class)
        : key.startsWith("time:") ? WindowedSerdes.timeWindowedSerdeFrom(String.class, Long.parseLong(key.substring(5))) : null;
    Serde valueSerde = p.path("value").asText().equals("long") ? Serdes.Long() : null;
    Produced produced = Produced.with(keySerde, valueSerde);
    return name(p) == null ? produced : produced.withName(name(p));
  }

  static Predicate predicate(String fn) {
    return switch (fn) {
      case "has-key" -> (k, v) -> k != null;
      case "has-value" -> (k, v) -> v != null;
      case "short" -> (k, v) -> String.valueOf(v).length() <= 3;
      default -> throw new IllegalArgumentException(fn);
    };
  }

  static ValueMapper mapper(String fn) {
    return switch (fn) {
      case "tag" -> v -> v + "!";
      case "drop-x" -> v -> String.valueOf(v).startsWith("x") ? null : v;
      case "text" -> v -> String.valueOf(v);
      default -> throw new IllegalArgumentException(fn);
    };
  }

  static KeyValue pair(String fn, Object k, Object v) {
    return switch (fn) {
      case "keep" -> KeyValue.pair(k, v);
      case "swap" -> KeyValue.pair(v, k);
      case "by-value" -> KeyValue.pair(v, v);
      case "by-letter" -> KeyValue.pair(v == null ? null : String.valueOf(v).isEmpty() ? "" : String.valueOf(v).substring(0, 1), v);
      case "start" -> KeyValue.pair(((Windowed) k).key() + "@" + ((Windowed) k).window().start() + "/" + ((Windowed) k).window().end(), v);
      default -> throw new IllegalArgumentException(fn);
    };
  }

  static Object joined(Object a, Object b) { return a + "+" + b; }

  static Aggregator aggregator(JsonNode p) {
    // A value with a z in it deletes the aggregate.
    return (k, v, a) -> String.valueOf(v).contains("z") ? null : a + "," + v;
  }
}
