/** The catalogue's texts in German. */
import type { AlarmCode, AlarmText } from './catalogue.ts';

export const CATALOGUE_DE: Readonly<Record<AlarmCode, AlarmText>> = {
  TRIPPED: {
    title: 'Station ausgelöst',
    cause: 'Es ist etwas geschehen, das nicht geschehen darf: die Meldung nennt es.',
    consequence: 'Die Station schreibt nichts an die SPS und lässt sich nicht scharf stellen.',
    action: 'Ursache suchen und beheben, Maschine prüfen, dann Station zurücksetzen und scharf stellen.',
  },
  LOCKED_OUT: {
    title: 'Station gesperrt',
    cause:
      'Die Station hat in zehn Minuten dreimal ausgelöst: das Zurücksetzen hat die Ursache nicht beseitigt.',
    consequence: 'Bis zum Ende der Wartezeit lässt sie sich nicht zurücksetzen.',
    action: 'Die Wartezeit nutzen: Ursache im Protokoll und an der Maschine suchen, Instandhaltung rufen.',
  },
  STATION_STOPPED: {
    title: 'Station hat sich angehalten',
    cause: 'Die Station traut ihrem Urteil gar nicht mehr: die Meldung nennt den Grund.',
    consequence: 'Für jedes Teil gilt die Rückfallentscheidung; an die SPS wird nichts geschrieben.',
    action: 'Teile von Hand prüfen. Ursache beheben, Station zurücksetzen, dann scharf stellen.',
  },
  STATION_DEGRADED: {
    title: 'Station arbeitet mit weniger Vertrauen',
    cause: 'Die Station hat sich herabgestuft: die Meldung nennt den Grund.',
    consequence: 'Mehr Teile gehen zur Prüfung; zugesagte Quoten gelten nicht.',
    action: 'Ursache beheben, dann Station zurücksetzen.',
  },
  JOURNAL_UNAVAILABLE: {
    title: 'Journal lässt sich nicht öffnen',
    cause:
      'Der Ordner der Station ist nicht beschreibbar, wird von einem anderen Prozess benutzt, oder der Datenträger ist voll.',
    consequence: 'Die Station bleibt entschärft, und was unterdessen geschieht, ist nicht belegt.',
    action:
      'Platz schaffen oder Datenträger instand setzen, Rechte des Ordners prüfen, dann diesen Alarm zurücksetzen.',
  },
  CLOCK_STEPPED: {
    title: 'Uhr wurde verstellt',
    cause: 'Die Uhr dieses Rechners wurde um mehr als zwei Sekunden verstellt.',
    consequence: 'Die Station wurde entschärft; Zeiten davor und danach passen nicht zueinander.',
    action: 'Zeitserver des Gateways prüfen, dann die Station scharf stellen.',
  },
  ALARM_FLOOD: {
    title: 'Zu viele Alarme',
    cause: 'Mehr als zehn Alarme sind in zehn Minuten gekommen.',
    consequence: 'Sie werden als einer gezeigt. Jeder von ihnen ist belegt.',
    action:
      'Erst nach einer gemeinsamen Ursache suchen (Strom, Netz, Licht), dann die Alarme einzeln durchgehen.',
  },
  MODEL_MISSING: {
    title: 'Kein Modell zum Urteilen',
    cause: 'Es ist kein Modell angelernt oder eingespielt, oder das vorhandene ist nicht brauchbar.',
    consequence: 'Kein Teil bekommt einen Wert; für jedes gilt die Rückfallentscheidung.',
    action: 'In dem genannten Node ein Modell aus Gutteilen anlernen oder eines einspielen.',
  },
  MODEL_CHANGED: {
    title: 'Modell wurde gewechselt',
    cause: 'Ein anderes Modell wurde in Betrieb genommen.',
    consequence: 'Die Station wurde entschärft: scharf war sie für das Modell davor.',
    action: 'Prüfen, wer es gewechselt hat und ob es das gewollte ist, dann die Station scharf stellen.',
  },
  MODEL_STALE: {
    title: 'Neues Modell wurde abgelehnt',
    cause: 'Die Modelldatei wurde geändert, und ihr neuer Inhalt ist nicht brauchbar.',
    consequence: 'Das bisherige Modell urteilt weiter.',
    action: 'Ein brauchbares Modell in die Datei legen, oder das bisherige zurück.',
  },
  DRIFT: {
    title: 'Teile sehen nicht mehr aus wie angelernt',
    cause: 'Licht, Objektiv, Lage, Werkstoff oder Prozess haben sich seit dem Anlernen geändert.',
    consequence: 'Die Station ist vorsichtig: mehr Teile gehen zur Prüfung, zugesagte Quoten gelten nicht.',
    action:
      'Ein Teil mit einem angelernten vergleichen. Licht, Objektiv und Lage wiederherstellen oder neu anlernen; dann die Station zurücksetzen.',
  },
  HOST_RESTARTED: {
    title: 'Modellprozess wurde neu gestartet',
    cause: 'Der Prozess, in dem das Modell läuft, ist abgestürzt oder hing.',
    consequence: 'Das Teil darin bekam keinen Wert. Dreimal in zehn Minuten löst die Station aus.',
    action: 'Speicher des Gateways und Treiber des Beschleunigers prüfen; siehe Log.',
  },
  CAMERA_LOST: {
    title: 'Kamera verloren',
    cause: 'Die Kamera antwortet nicht: Strom, Kabel, Netz, oder ein anderes Programm benutzt sie.',
    consequence: 'Teile laufen ohne Bild durch.',
    action: 'Strom und Kabel der Kamera prüfen, und dass nichts anderes sie benutzt.',
  },
  CAMERA_UNWELL: {
    title: 'Kamera sieht schlecht',
    cause:
      'Bilder sind gegen die guten unscharf, zu dunkel, zu hell, eingefroren, verschoben oder farbstichig.',
    consequence: 'Fehler können unentdeckt bleiben; Gutteile können aussortiert werden.',
    action: 'Objektiv reinigen; Licht, Schärfe und Lage der Kamera prüfen.',
  },
  GATE_ADVISES: {
    title: 'Gate rät nur',
    cause: 'Für die zugesagte Quote fälschlich aussortierter Gutteile sind zu wenige Gutteile bekannt.',
    consequence: 'Teile gehen mit einem Rat zur Prüfung; von selbst wird nichts aussortiert.',
    action: 'Mehr Gutteile durchlaufen lassen oder mit mehr davon anlernen.',
  },
  PROMISE_VOID: {
    title: 'Zugesagte Falschausschuss-Quote gilt nicht',
    cause:
      'Was Menschen an den Teilen fanden, oder Zweifel der Station selbst, widersprechen der Kalibrierung.',
    consequence: 'Mehr Gutteile als zugesagt können aussortiert werden, oder Fehler durchlaufen.',
    action:
      'Aussortierte Teile in der Prüfliste beurteilen; neu anlernen, wenn sich der Prozess geändert hat.',
  },
  PLC_LINK_DOWN: {
    title: 'SPS nicht erreichbar',
    cause: 'Die Verbindung zur SPS ist abgerissen oder wurde abgelehnt.',
    consequence: 'Befehle werden abgelehnt; die SPS fällt auf ihre eigene Vorgabe zurück.',
    action: 'Netz, SPS und ihren Server prüfen; die Verbindung kommt von selbst wieder.',
  },
  COMMAND_UNKNOWN: {
    title: 'Wirkung eines Befehls unbekannt',
    cause: 'Ein Befehl ging hinaus, und weder Antwort noch zurückgelesener Wert sagen, was aus ihm wurde.',
    consequence: 'Das Teil ist vielleicht nicht sortiert. Dreimal hintereinander löst die Station aus.',
    action: 'Teil und Aktor von Hand prüfen.',
  },
  HEARTBEAT_LOST: {
    title: 'Lebenszeichen der SPS fehlt',
    cause:
      'Das Programm der SPS beantwortet das Lebenszeichen nicht mehr, auch wenn sie erreichbar sein mag.',
    consequence: 'Die Station wurde entschärft; die SPS fällt auf ihre eigene Vorgabe zurück.',
    action:
      'Prüfen, ob die SPS läuft und ihr Programm den Handshake-Baustein aufruft; dann die Station scharf stellen.',
  },
  JOURNAL_FAILING: {
    title: 'Journal kann nicht schreiben',
    cause: 'Der Datenträger ist voll oder meldet Fehler.',
    consequence: 'Die Station wurde entschärft; was unterdessen geschieht, ist nicht belegt.',
    action:
      'Platz schaffen oder Datenträger tauschen, diesen Alarm zurücksetzen, dann die Station scharf stellen.',
  },
  JOURNAL_PRESSURE: {
    title: 'Tickets stauen sich',
    cause: 'Es warten mehr Tickets, als das MES annimmt.',
    consequence:
      'Ist die Grenze erreicht, bestimmt die eingestellte Regel, welche Tickets aufgegeben werden.',
    action: 'MES und den Weg dorthin prüfen.',
  },
  MES_UNREACHABLE: {
    title: 'MES nicht erreichbar',
    cause: 'Das MES hat seit einiger Zeit keine Tickets angenommen.',
    consequence: 'Tickets warten im Journal und gehen der Reihe nach hinaus, sobald es antwortet.',
    action: 'Netz, Adresse und Anmeldung des MES prüfen.',
  },
  TICKET_STRANDED: {
    title: 'Tickets ohne MES',
    cause:
      'Das MES, für das sie bestimmt waren, wurde aus dem Flow gelöscht oder durch einen Import neu angelegt.',
    consequence: 'Niemand stellt sie zu.',
    action: 'Im Ticket-Node an das MES übergeben, das an seine Stelle getreten ist, oder zurückstellen.',
  },
  TICKET_DEAD: {
    title: 'Ticket endgültig abgelehnt',
    cause: 'Das MES hat ein Ticket abgelehnt, oder es wurde zu oft versucht.',
    consequence: 'Das MES weiß von diesem Ereignis nichts.',
    action: 'Das Ticket im Ticket-Node ansehen, Ursache beheben und es wieder einreihen.',
  },
};
