package khlong.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.source.SourceConnector;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;
import org.eclipse.paho.client.mqttv3.IMqttDeliveryToken;
import org.eclipse.paho.client.mqttv3.MqttAsyncClient;
import org.eclipse.paho.client.mqttv3.MqttCallback;
import org.eclipse.paho.client.mqttv3.MqttConnectOptions;
import org.eclipse.paho.client.mqttv3.MqttException;
import org.eclipse.paho.client.mqttv3.MqttMessage;
import org.eclipse.paho.client.mqttv3.persist.MemoryPersistence;

/**
 * As little as an MQTT source can be that keeps the promise of ours: QoS 1, a session that the broker keeps, the frame's
 * id as key, a message acknowledged when its record is in Kafka. Java's connectors that are free to use promise less.
 */
public class MqttSource extends SourceConnector {
  private Map<String, String> config;

  @Override public void start(Map<String, String> given) { config = given; }
  @Override public void stop() {}
  @Override public String version() { return "1"; }
  @Override public Class<? extends Task> taskClass() { return MqttTask.class; }
  @Override public List<Map<String, String>> taskConfigs(int most) { return List.of(config); }
  @Override public ConfigDef config() {
    return new ConfigDef()
        .define("mqtt.server.uri", ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "The broker.")
        .define("mqtt.topics", ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "The topic to read.")
        .define("kafka.topic", ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "The topic to write.");
  }

  /** Reads one topic. */
  public static class MqttTask extends SourceTask implements MqttCallback {
    private record Arrived(int id, byte[] payload) {}

    private static final int BATCH = 2000;
    private final ObjectMapper json = new ObjectMapper();
    private final LinkedBlockingQueue<Arrived> arrived = new LinkedBlockingQueue<>(10 * BATCH);
    private MqttAsyncClient client;
    private String topic;

    @Override public String version() { return "1"; }

    @Override public void start(Map<String, String> config) {
      topic = config.get("kafka.topic");
      MqttConnectOptions options = new MqttConnectOptions();
      options.setCleanSession(false);
      options.setAutomaticReconnect(true);
      try {
        client = new MqttAsyncClient(config.get("mqtt.server.uri"), "mqtt-source", new MemoryPersistence());
        client.setManualAcks(true);
        client.setCallback(this);
        client.connect(options).waitForCompletion();
        client.subscribe(config.get("mqtt.topics"), 1).waitForCompletion();
      } catch (MqttException error) {
        throw new ConnectException(error);
      }
    }

    @Override public void stop() {
      try {
        client.disconnectForcibly(100, 100);
        client.close(true);
      } catch (MqttException error) {
        throw new ConnectException(error);
      }
    }

    @Override public List<SourceRecord> poll() throws InterruptedException {
      Arrived first = arrived.poll(100, TimeUnit.MILLISECONDS);
      if (first == null) return null;
      List<Arrived> batch = new ArrayList<>();
      batch.add(first);
      arrived.drainTo(batch, BATCH);
      List<SourceRecord> records = new ArrayList<>(batch.size());
      for (Arrived each : batch)
        records.add(new SourceRecord(Map.of("topic", topic), Map.of("message", each.id), topic, null, Schema.STRING_SCHEMA,
            idOf(each.payload), Schema.BYTES_SCHEMA, each.payload));
      return records;
    }

    @Override public void commitRecord(SourceRecord record, RecordMetadata metadata) {
      try {
        client.messageArrivedComplete((Integer) record.sourceOffset().get("message"), 1);
      } catch (MqttException error) {
        throw new ConnectException(error);
      }
    }

    private String idOf(byte[] payload) {
      try {
        return json.readTree(payload).path("id").asText();
      } catch (IOException error) {
        throw new ConnectException(error);
      }
    }

    @Override public void messageArrived(String from, MqttMessage message) throws InterruptedException {
      arrived.put(new Arrived(message.getId(), message.getPayload()));
    }

    @Override public void connectionLost(Throwable cause) {}
    @Override public void deliveryComplete(IMqttDeliveryToken token) {}
  }
}
