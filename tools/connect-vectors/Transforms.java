import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.common.record.TimestampType;

/**
 * Applies transforms to records and writes what becomes of them: reads cases with a class, its
 * options and a record whose key and value are JSON, with the schema's envelope or without.
 */
public class Transforms {
  static final ObjectMapper json = new ObjectMapper();

  static byte[] bytes(JsonNode node) throws Exception {
    return node == null ? null : json.writeValueAsBytes(node);
  }

  static JsonConverter converter(boolean hasSchemas) {
    JsonConverter converter = new JsonConverter();
    Map<String, Object> config = new HashMap<>();
    config.put("schemas.enable", hasSchemas);
    config.put("converter.type", "value");
    converter.configure(config);
    return converter;
  }

  static JsonNode tree(byte[] bytes) throws Exception {
    return bytes == null ? json.nullNode() : json.readTree(bytes);
  }

  @SuppressWarnings("unchecked")
  public static void main(String[] args) throws Exception {
    ArrayNode cases = (ArrayNode) json.readTree(new File(args[0]));
    SimpleHeaderConverter headers = new SimpleHeaderConverter();
    headers.configure(Map.of("converter.type", "header"));
    for (JsonNode node : cases) {
      ObjectNode one = (ObjectNode) node;
      boolean hasSchemas = one.path("hasSchemas").asBoolean();
      JsonConverter converter = converter(hasSchemas);
      ObjectNode result = one.putObject("result");
      try {
        Transformation<SinkRecord> transform =
            (Transformation<SinkRecord>) Class.forName(one.get("class").asText()).getDeclaredConstructor().newInstance();
        transform.configure(json.convertValue(one.get("config"), Map.class));
        SchemaAndValue key = converter.toConnectData("t", bytes(one.get("key")));
        SchemaAndValue value = converter.toConnectData("t", bytes(one.get("value")));
        ConnectHeaders given = new ConnectHeaders();
        one.path("headers").fields().forEachRemaining(entry ->
            given.add(entry.getKey(), headers.toConnectHeader("t", entry.getKey(),
                entry.getValue().asText().getBytes(StandardCharsets.UTF_8))));
        SinkRecord record = new SinkRecord(
            one.path("topic").asText("t"), 3, key.schema(), key.value(), value.schema(), value.value(),
            7, 1769846400123L, TimestampType.CREATE_TIME, given);
        SinkRecord changed = transform.apply(record);
        if (changed == null) {
          result.put("dropped", true);
          continue;
        }
        result.put("topic", changed.topic());
        result.put("timestamp", changed.timestamp());
        result.set("key", tree(converter.fromConnectData("t", changed.keySchema(), changed.key())));
        result.set("value", tree(converter.fromConnectData("t", changed.valueSchema(), changed.value())));
        ArrayNode out = result.putArray("headers");
        for (Header header : changed.headers()) {
          byte[] text = headers.fromConnectHeader("t", header.key(), header.schema(), header.value());
          out.addArray().add(header.key()).add(text == null ? null : new String(text, StandardCharsets.UTF_8));
        }
      } catch (Exception error) {
        result.removeAll();
        result.put("error", error.getClass().getName());
      }
    }
    json.writer().writeValue(new File(args[1]), cases);
  }
}
